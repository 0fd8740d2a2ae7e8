import * as fc from "../properties.ts";
import { describe, expect, test } from "vitest";
import type { Entry, RunEvent } from "../../src/core/event.ts";
import type { Change } from "../../src/core/knob.ts";
import { pendingUndo } from "../../src/journal/pending.ts";

/** A target of knobs, indexes and statistics, to which changes do what they say. */
interface Model {
  readonly knobs: Record<string, number>;
  readonly indexes: Set<string>;
  readonly statistics: Set<string>;
}

const baseline = (): Model => ({
  knobs: { pool: 15, ttl: 0 },
  indexes: new Set(),
  statistics: new Set(),
});

function make(model: Model, change: Change): void {
  if (change.kind === "set-knob") model.knobs[change.knob] = Number(change.to);
  else if (change.kind === "create-index") model.indexes.add(change.index.name);
  else model.statistics.add(change.statistics.name);
}

function undo(model: Model, change: Change): void {
  if (change.kind === "set-knob") model.knobs[change.knob] = Number(change.from);
  else if (change.kind === "create-index") model.indexes.delete(change.index.name);
  else model.statistics.delete(change.statistics.name);
}

function setKnob(knob: string, from: number, to: number): Change {
  return { kind: "set-knob", knob, from, to };
}

function createIndex(name: string): Change {
  return { kind: "create-index", index: { schema: "public", table: "t", name, columns: [] } };
}

function createStatistics(name: string): Change {
  const statistics = { schema: "public", table: "t", name, kinds: [], columns: ["a", "b"] };
  return { kind: "create-statistics", statistics };
}

/** What happens in a run: a change is made, or the last one that stands is undone. */
type Step =
  | { kind: "knob"; knob: "pool" | "ttl"; to: number }
  | { kind: "index" }
  | { kind: "statistics" }
  | { kind: "undo" };

interface Recorded {
  readonly event: RunEvent;
  /** The model's change that happens right after this event is on disk. */
  readonly effect?: (model: Model) => void;
}

function changeOf(step: Exclude<Step, { kind: "undo" }>, name: string, now: Model): Change {
  if (step.kind === "knob") return setKnob(step.knob, now.knobs[step.knob] ?? 0, step.to);
  return step.kind === "index" ? createIndex(name) : createStatistics(name);
}

/** A run's journal, each line with the effect that follows it. */
function record(steps: readonly Step[]): readonly Recorded[] {
  const lines: Recorded[] = [];
  const standing: { id: string; change: Change }[] = [];
  const now = baseline();
  for (const [number, step] of steps.entries()) {
    if (step.kind === "undo") {
      const last = standing.pop();
      if (!last) continue;
      undo(now, last.change);
      const changeId = last.id;
      lines.push({
        event: { type: "change-reverting", changeId },
        effect: (model) => undo(model, last.change),
      });
      lines.push({ event: { type: "change-reverted", changeId, detail: "" } });
      continue;
    }
    const change = changeOf(step, `object${number}`, now);
    const changeId = `change-${number}`;
    make(now, change);
    standing.push({ id: changeId, change });
    lines.push({
      event: { type: "change-applying", changeId, change },
      effect: (model) => make(model, change),
    });
    lines.push({ event: { type: "change-applied", changeId, detail: "" } });
  }
  return lines;
}

function entriesOf(lines: readonly Recorded[]): readonly Entry[] {
  return lines.map(({ event }, index) => ({ seq: index + 1, at: "", event }));
}

const steps = fc.array(
  fc.oneof(
    fc.record({
      kind: fc.constant("knob" as const),
      knob: fc.constantFrom("pool" as const, "ttl" as const),
      to: fc.integer({ min: 0, max: 100 }),
    }),
    fc.constant({ kind: "index" } as const),
    fc.constant({ kind: "statistics" } as const),
    fc.constant({ kind: "undo" } as const),
  ),
  { maxLength: 12 },
);

describe("pending undo", () => {
  test("after a crash at any line, with its effect made or not, undoing ends at the baseline", () => {
    fc.assert(
      fc.property(steps, (steps) => {
        const lines = record(steps);
        for (let length = 0; length <= lines.length; length += 1) {
          for (const lastWasMade of [true, false]) {
            const written = lines.slice(0, length);
            const model = baseline();
            for (const [index, line] of written.entries()) {
              if (index < length - 1 || lastWasMade) line.effect?.(model);
            }
            for (const { change } of pendingUndo(entriesOf(written)).changes) undo(model, change);
            expect(model).toEqual(baseline());
          }
        }
      }),
      { numRuns: 200 },
    );
  });

  test("says what is surely applied and what may be half done", () => {
    const lines = record([{ kind: "knob", knob: "pool", to: 20 }, { kind: "index" }]);
    const states = (length: number) =>
      pendingUndo(entriesOf(lines.slice(0, length))).changes.map((each) => each.state);
    expect(states(2)).toEqual(["applied"]);
    expect(states(3)).toEqual(["half", "applied"]);
    expect(states(4)).toEqual(["applied", "applied"]);
  });

  test("lists resources that were not removed, the last first, with what is known of each", () => {
    const process = { id: "p", kind: "process", title: "Redis", pid: 0, startTicks: "" } as const;
    const database = { id: "d", kind: "database", name: "perfopt_d" } as const;
    const events: RunEvent[] = [
      { type: "resource-creating", resource: database },
      { type: "resource-created", resource: database },
      { type: "resource-creating", resource: process },
      { type: "resource-created", resource: { ...process, pid: 7, startTicks: "99" } },
      { type: "resource-creating", resource: { ...process, id: "q" } },
      { type: "resource-removed", resourceId: "d" },
    ];
    const { resources } = pendingUndo(entriesOf(events.map((event) => ({ event }))));
    expect(resources.map((each) => [each.id, each.kind === "process" ? each.pid : -1])).toEqual([
      ["q", 0],
      ["p", 7],
    ]);
  });
});
