/** The one fold from the journals of a sequence, its own and those of its runs, to what the overall report shows. */
import { PerfoptError } from "../../core/errors.ts";
import type { Entry } from "../../core/event.ts";
import type { Knob } from "../../core/knob.ts";
import { isCapacityMetricId, type MetricId } from "../../core/metric.ts";
import type { Objective } from "../../core/persona.ts";
import { usableEffect } from "../effects.ts";
import { linesOf, type Line } from "../lines.ts";
import {
  judgeObjective,
  satisfactionOf,
  type ObjectiveResult,
  type Satisfaction,
} from "../objectives.ts";
import { summarise, type Summary } from "../summary.ts";
import { blockOf, readArm, type Block } from "../windows.ts";
import { netOf, type SequenceNet } from "./net.ts";

/** A run of the sequence, with its journal's lines where that was found. */
export interface SequenceJournals {
  /** The sequence's own. */
  readonly entries: readonly Entry[];
  readonly journalOf: (run: string) => readonly Entry[] | undefined;
}

/** One persona's turn. */
export interface Part {
  readonly name: string;
  readonly title: string;
  /** Absent: its turn never came. */
  readonly turn: Line<"sequence-run"> | undefined;
  /** Absent: it never began, or its journal is gone. */
  readonly summary: Summary | undefined;
  /** From the first line of its journal to the last of the run itself. */
  readonly tookMs: number | undefined;
  /** Of all that the sequence kept, under this persona's load. */
  readonly check: Check | undefined;
}

export interface Check {
  readonly line: Line<"sequence-checked">;
  readonly block: Block;
  readonly objectives: readonly ObjectiveResult[];
  readonly satisfaction: Satisfaction | undefined;
}

export interface SequenceSummary {
  readonly start: Line<"sequence-started">;
  readonly parts: readonly Part[];
  readonly knobs: readonly Knob[];
  readonly net: SequenceNet;
  readonly warnings: readonly Line<"warning">[];
  readonly outcome: {
    readonly kind: "completed" | "interrupted" | "failed" | "unfinished";
    readonly detail: string;
  };
}

/** Throws bad-input when the entries are not of a sequence. */
export function summariseSequence({ entries, journalOf }: SequenceJournals): SequenceSummary {
  const start = linesOf(entries, "sequence-started")[0];
  if (!start)
    throw new PerfoptError(
      "bad-input",
      "the journal has no `sequence-started` line",
      "give the journal of a sequence, a file named sequence.jsonl in its folder",
    );
  const parts = start.event.personas.map((persona) => partOf(persona, entries, journalOf));
  const finished = linesOf(entries, "run-finished").at(-1);
  return {
    start,
    parts,
    // The same target's; but a journal of another version may know more of them.
    knobs: [
      ...new Map(
        parts.flatMap(({ summary }) => (summary?.knobs ?? []).map((knob) => [knob.id, knob])),
      ).values(),
    ],
    net: netOf(parts),
    warnings: linesOf(entries, "warning"),
    outcome: finished
      ? { kind: finished.event.outcome, detail: finished.event.detail }
      : {
          kind: "unfinished",
          detail: "its journal has no last line: the sequence was killed, or still goes on",
        },
  };
}

function partOf(
  { name, title }: { readonly name: string; readonly title: string },
  entries: readonly Entry[],
  journalOf: SequenceJournals["journalOf"],
): Part {
  const turn = linesOf(entries, "sequence-run").find(({ event }) => event.persona === name);
  const run = turn?.event.run;
  const lines = run === undefined ? undefined : journalOf(run);
  const summary = lines && linesOf(lines, "run-started").length > 0 ? summarise(lines) : undefined;
  return {
    name,
    title,
    turn,
    summary,
    tookMs: lines && tookMs(lines),
    check: summary && checkOf(name, summary, entries),
  };
}

/** A rollback may be days later. */
function tookMs(lines: readonly Entry[]): number | undefined {
  const first = lines[0];
  const last = linesOf(lines, "run-finished").at(-1) ?? lines.at(-1);
  if (!first || !last) return undefined;
  const took = Date.parse(last.at) - Date.parse(first.at);
  return Number.isFinite(took) ? took : undefined;
}

function checkOf(name: string, summary: Summary, entries: readonly Entry[]): Check | undefined {
  const line = linesOf(entries, "sequence-checked").find(({ event }) => event.persona === name);
  if (!line) return undefined;
  const block = blockOf(entries, `check-${name}`);
  const objectives = summary.start.event.persona.objectives.map((objective) =>
    judged(objective, objective.metric, line, block),
  );
  return { line, block, objectives, satisfaction: satisfactionOf(objectives) };
}

function judged(
  objective: Objective,
  metric: MetricId,
  line: Line<"sequence-checked">,
  block: Block,
): ObjectiveResult {
  return judgeObjective(
    objective,
    readArm(block, "incumbent", metric),
    readArm(block, "candidate", metric),
    usableEffect(line.event.effects, metric),
  );
}

/** What holds at the sequence's end, as far as it was measured: the check's results, and of capacity, which it lacks, the run's own. */
export function finalObjectives({ check, summary }: Part): readonly ObjectiveResult[] {
  const own = summary?.objectives ?? [];
  if (!check) return own;
  return [
    ...check.objectives,
    ...own.filter(({ objective }) => isCapacityMetricId(objective.metric)),
  ];
}
