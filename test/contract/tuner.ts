/** What every tuner promises, whatever it sees and whatever becomes of its candidates. */
import * as fc from "../properties.ts";
import { afterEach, describe, expect, test, vi } from "vitest";
import { domainError } from "../../src/core/knob.ts";
import type { Change, KnobValue } from "../../src/core/knob.ts";
import { isMetricId, metrics } from "../../src/core/metric.ts";
import type { MetricId } from "../../src/core/metric.ts";
import type { Ask, Past, Step, TargetView } from "../../src/core/observation.ts";
import type { Strategy } from "../../src/core/persona.ts";
import type { AnyTuner } from "../../src/tuners/tuner.ts";
import { makeSample } from "../samples.ts";
import { askOf, decided, strategyOf, viewOf } from "../tuners/views.ts";

export interface Situation {
  readonly title: string;
  readonly view: TargetView;
  /** Instead of what the tuner would observe there, for tuners whose observation needs a real database. */
  readonly observation?: unknown;
  /** What the strategy has beside an objective that may be any, or with one of its own. */
  readonly strategy?: Partial<Strategy>;
}

/** More steps than any budget allows: the loop itself stops at 24. */
const STEPS_MAX = 24;
const CANDIDATES_MAX = 4;

export function tunerContract(tuner: AnyTuner, situations: readonly Situation[]): void {
  describe(`the contract of ${tuner.id}`, () => {
    afterEach(() => vi.restoreAllMocks());

    test("says what it is for and when it cannot help", () => {
      expect(tuner.title).not.toBe("");
      expect(tuner.rationale).toMatch(/helps?\b[^]*cannot/i);
    });

    test("is done, with a reason, on a target without its knobs", async () => {
      const observation = await tuner.observe(viewOf({ knobs: [] }));
      const step = tuner.next(askOf(observation));
      expect(step).toMatchObject({ kind: "done" });
      // The first role is the one that it cannot do without.
      for (const role of tuner.roles.slice(0, 1)) expect(JSON.stringify(step)).toContain(role);
    });

    for (const situation of situations) {
      test(`${situation.title}: the observation is plain JSON`, async () => {
        const observation = await observe(tuner, situation, situation.view);
        expect(JSON.parse(JSON.stringify(observation))).toEqual(observation);
      });

      test(`${situation.title}: ends, within the domains, whatever is measured and decided`, async () => {
        const seen = new Map<string, unknown>();
        await fc.assert(
          fc.asyncProperty(world, (each) => live(tuner, situation, each, seen)),
          { numRuns: 150, seed: 20_261_122 },
        );
      });
    }
  });
}

interface World {
  readonly objective: MetricId;
  readonly noiseFloor: number;
  readonly verdicts: readonly ("keep" | "discard" | "inconclusive")[];
  /** What probes report; undefined is an invalid window. */
  readonly measured: readonly (number | undefined)[];
}

const world: fc.Arbitrary<World> = fc.record({
  objective: fc.constantFrom(...metrics.map((metric) => metric.id).filter(isMetricId)),
  noiseFloor: fc.double({ min: 0, max: 0.3, noNaN: true }),
  verdicts: fc.array(fc.constantFrom("keep", "discard", "inconclusive"), {
    minLength: 1,
    maxLength: 6,
  }),
  measured: fc.array(
    fc.constantFrom(undefined, 0, 0.001, 1, 50, 90, 99, 100, 101, 110, 200, 1_000),
    {
      minLength: 1,
      maxLength: 8,
    },
  ),
});

/**
 * One phase as the loop would run it, with every promise checked at every step. `seen` keeps what was observed by the knobs'
 * values, all that differs between the views of a situation: an observation may take a while to compute.
 */
async function live(
  tuner: AnyTuner,
  situation: Situation,
  { objective, noiseFloor, verdicts, measured }: World,
  seen: Map<string, unknown>,
): Promise<void> {
  const observeOnce = async (of: TargetView): Promise<unknown> => {
    const key = JSON.stringify(of.values);
    if (!seen.has(key)) seen.set(key, freeze(await observe(tuner, situation, of)));
    return seen.get(key);
  };
  const strategy = { ...strategyOf(objective), ...situation.strategy };
  let view = situation.view;
  let observation = await observeOnce(view);
  const history: Past[] = [];
  const ids = new Set<string>();
  for (let steps = 0; steps <= STEPS_MAX; steps += 1) {
    const ask = {
      observation,
      history: freeze([...history]),
      strategy,
      noiseFloor,
      candidatesMax: CANDIDATES_MAX,
    };
    const step = purely(tuner, ask);
    if (step.kind === "done") {
      expect(step.because.length).toBeGreaterThan(10);
      return;
    }
    const changes = step.kind === "probe" ? step.changes : step.candidate.changes;
    // A probe under another load may measure the incumbent itself.
    const isOverloaded = step.kind === "probe" && step.load !== undefined;
    if (!isOverloaded) expect(changes.length).toBeGreaterThan(0);
    for (const change of changes) checkChange(change, view);
    if (step.kind === "probe") {
      expect(step.why).not.toBe("");
      const value = measured[steps % measured.length];
      history.push({ ...step, sample: sampleOf(strategy.objective, value) });
      continue;
    }
    const { candidate } = step;
    expect(candidate.tuner).toBe(tuner.id);
    expect(candidate.hypothesis).not.toBe("");
    expect(ids).not.toContain(candidate.id);
    ids.add(candidate.id);
    expect(ids.size).toBeLessThanOrEqual(CANDIDATES_MAX);
    const verdict = verdicts[ids.size % verdicts.length] ?? "discard";
    history.push(decided(candidate, verdict));
    if (verdict !== "keep") continue;
    view = { ...view, values: applied(view.values, candidate.changes) };
    observation = await observeOnce(view);
  }
  expect.unreachable(`${tuner.id} did not end within ${STEPS_MAX} steps`);
}

function observe(tuner: AnyTuner, situation: Situation, view: TargetView): Promise<unknown> {
  return "observation" in situation ? Promise.resolve(situation.observation) : tuner.observe(view);
}

function forbidden(): never {
  throw new Error("next asked the clock or for randomness");
}

/** The same ask gives the same step, and neither clock nor randomness is asked. */
function purely(tuner: AnyTuner, ask: Ask<unknown>): Step {
  const mocks = [
    vi.spyOn(Date, "now").mockImplementation(forbidden),
    vi.spyOn(performance, "now").mockImplementation(forbidden),
    vi.spyOn(Math, "random").mockImplementation(forbidden),
  ];
  try {
    const step = tuner.next(ask);
    // From the journal the observation comes back as JSON.
    const again = tuner.next({ ...ask, observation: JSON.parse(JSON.stringify(ask.observation)) });
    if (JSON.stringify(step) !== JSON.stringify(again))
      throw new Error(`${tuner.id} gave two steps for one ask`);
    return step;
  } finally {
    for (const mock of mocks) mock.mockRestore();
  }
}

function checkChange(change: Change, view: TargetView): void {
  if (change.kind === "create-index") {
    expect(change.index.columns.length).toBeGreaterThan(0);
    expect(new TextEncoder().encode(change.index.name).length).toBeLessThanOrEqual(63);
    return;
  }
  if (change.kind === "create-statistics") {
    const { name, columns, expressions = [], kinds } = change.statistics;
    // A single column has statistics anyway, and PostgreSQL refuses it.
    expect(columns.length + 2 * expressions.length).toBeGreaterThan(1);
    // A single expression has no kinds.
    if (columns.length + expressions.length === 1) expect(kinds).toEqual([]);
    expect(columns.length + expressions.length).toBeLessThanOrEqual(8);
    expect(new TextEncoder().encode(name).length).toBeLessThanOrEqual(63);
    return;
  }
  const knob = view.knobs.find((each) => each.id === change.knob);
  expect(knob, `there is no knob ${change.knob}`).toBeDefined();
  expect(change.from).toBe(view.values[change.knob]);
  expect(change.to).not.toBe(change.from);
  // Both ways: the undo has to be a change that the target accepts, too.
  expect(knob && domainError(knob.domain, change.to)).toBeUndefined();
  expect(knob && domainError(knob.domain, change.from)).toBeUndefined();
}

function applied(
  values: Readonly<Record<string, KnobValue>>,
  changes: readonly Change[],
): Readonly<Record<string, KnobValue>> {
  return changes.reduce(
    (all, change) => (change.kind === "set-knob" ? { ...all, [change.knob]: change.to } : all),
    values,
  );
}

function sampleOf(objective: MetricId, value: number | undefined) {
  return value === undefined
    ? makeSample({}, { invalidBecause: "the rate was missed" })
    : makeSample({ [objective]: value });
}

function freeze<T>(value: T): T {
  if (typeof value !== "object" || value === null) return value;
  for (const each of Object.values(value)) freeze(each);
  return Object.freeze(value);
}
