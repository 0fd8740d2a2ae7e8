/** Multi-Tasker's tuners under observations with anything missing and any values: they end, stay within the domains, and say nothing senseless. */
import { expect, test } from "vitest";
import { domainError } from "../../src/core/knob.ts";
import type { Change, Knob, KnobValue } from "../../src/core/knob.ts";
import { isMetricId, metrics } from "../../src/core/metric.ts";
import type { MetricId } from "../../src/core/metric.ts";
import type { Ask, Past, Step, TargetView } from "../../src/core/observation.ts";
import type { MetricValues, Sample } from "../../src/core/sample.ts";
import { asyncProcessing } from "../../src/tuners/async-processing.ts";
import { connectionPool } from "../../src/tuners/connection-pool.ts";
import { jobQueue } from "../../src/tuners/job-queue.ts";
import { loadBalancing } from "../../src/tuners/load-balancing.ts";
import { threadPool } from "../../src/tuners/thread-pool.ts";
import type { AnyTuner } from "../../src/tuners/tuner.ts";
import * as fc from "../properties.ts";
import { makeSample } from "../samples.ts";
import { decided, knobs, strategyOf, viewOf } from "./views.ts";

const STEPS_MAX = 40;
const PARTS = /^(?:api|queue|threads|pool|balance|service|db)\./;
const read = metrics.filter(({ id }) => isMetricId(id) && PARTS.test(id));

const valueOf = (unit: string) =>
  unit === "ratio"
    ? fc.constantFrom(0, 1, 0.001, 0.02, 0.0999, 0.5, 0.95, 0.9999)
    : fc.constantFrom(0, 1, 0.0004, 0.5, 2, 4.999, 50, 99.96, 5_004, 1e6);

/** Each is missing as often as not. */
const measured: fc.Arbitrary<MetricValues> = fc.record(
  Object.fromEntries(read.map(({ id, unit }) => [id, valueOf(unit)])),
  { requiredKeys: [] },
);

const knobValue = ({ domain }: Knob): fc.Arbitrary<KnobValue> => {
  if (domain.kind === "bool") return fc.boolean();
  if (domain.kind === "enum") return fc.constantFrom(...domain.values);
  return fc.constantFrom(domain.min, domain.min + 1, domain.max);
};

const window: fc.Arbitrary<Sample> = fc
  .record({
    metrics: measured,
    valid: fc.boolean(),
    refused: fc.constantFrom(0, 1, 300),
    checks: fc.subarray(["no-backlog", "generator-cpu"] as const, { maxLength: 1 }),
  })
  .map(({ metrics: of, valid, refused, checks }) => {
    const sample = makeSample(of, valid ? {} : { invalidBecause: "the rate was missed" });
    const failed = checks.map((id) => ({ id, ok: false, value: 1, limit: 0, detail: id }) as const);
    return {
      ...sample,
      load: {
        ...sample.load,
        statuses: { "200": 300 - refused, "503": refused },
        checks: failed,
      },
    };
  });

function onlySet(
  values: Readonly<Record<string, KnobValue | undefined>>,
): Readonly<Record<string, KnobValue>> {
  return Object.fromEntries(
    Object.entries(values).flatMap(([id, value]) => (value === undefined ? [] : [[id, value]])),
  );
}

interface World {
  readonly objective: MetricId;
  readonly view: TargetView;
  readonly noiseFloor: number;
  readonly windows: readonly Sample[];
  readonly verdicts: readonly ("keep" | "discard" | "inconclusive")[];
  readonly settings: Readonly<Record<string, KnobValue>>;
}

const world: fc.Arbitrary<World> = fc.record({
  objective: fc.constantFrom(...read.map(({ id }) => id).filter(isMetricId)),
  view: fc
    .record({
      metrics: measured,
      values: fc.record(Object.fromEntries(knobs.map((each) => [each.id, knobValue(each)])), {
        requiredKeys: [],
      }),
      maxConnections: fc.constantFrom(1, 20, 200),
      cores: fc.constantFrom(1, 2, 16),
      known: fc.subarray([...knobs], { minLength: 20 }),
    })
    .map(({ cores, known, values, ...sketch }) => ({
      ...viewOf({ ...sketch, knobs: known, values: onlySet(values) }),
      machine: { cores, memoryBytes: 8e9 },
    })),
  noiseFloor: fc.constantFrom(0, 0.03, 0.4),
  windows: fc.array(window, { minLength: 1, maxLength: 6 }),
  verdicts: fc.array(fc.constantFrom("keep", "discard", "inconclusive"), { minLength: 1 }),
  settings: fc.constantFrom(
    {},
    { senders: 1, requestsAtATime: 1, connectionsPerRequest: 2 },
    { "wait-target": "5s", "queue-limit": 1, "async-workers": 64, threads: 1, processes: 8 },
  ),
});

test.each([
  [asyncProcessing],
  [threadPool],
  [jobQueue],
  [loadBalancing],
  [connectionPool],
] as const)("$id", async (tuner) => {
  await fc.assert(
    fc.asyncProperty(world, (each) => live(tuner, each)),
    { numRuns: 150 },
  );
});

/** One phase as the loop would run it. */
async function live(tuner: AnyTuner, each: World): Promise<void> {
  let { view } = each;
  let observation = await tuner.observe(view);
  const history: Past[] = [];
  for (let steps = 0; steps < STEPS_MAX; steps += 1) {
    const step = tuner.next(askOf(each, observation, history));
    for (const sentence of sentencesOf(step)) checkSentence(sentence);
    if (step.kind === "done") return;
    const changes = step.kind === "probe" ? step.changes : step.candidate.changes;
    for (const change of changes) checkChange(view, change);
    if (step.kind === "probe") {
      const sample = each.windows[steps % each.windows.length] ?? makeSample({});
      history.push({ ...step, sample });
      continue;
    }
    const verdict = each.verdicts[steps % each.verdicts.length] ?? "discard";
    history.push(decided(step.candidate, verdict));
    if (verdict !== "keep") continue;
    const now = changes.map((change) =>
      change.kind === "set-knob" ? [change.knob, change.to] : [],
    );
    view = { ...view, values: { ...view.values, ...Object.fromEntries(now) } };
    observation = await tuner.observe(view);
  }
  expect.unreachable(`${tuner.id} did not end within ${STEPS_MAX} steps`);
}

function askOf(
  { objective, settings, noiseFloor }: World,
  observation: unknown,
  history: readonly Past[],
): Ask<unknown> {
  return {
    observation,
    history: [...history],
    strategy: strategyOf(objective, settings),
    noiseFloor,
    candidatesMax: 4,
    requestsPerSecond: 600,
    saturationRequestsPerSecond: 1_000,
  };
}

function sentencesOf(step: Step): readonly string[] {
  switch (step.kind) {
    case "done":
      return [step.because];
    case "probe":
      return [step.why];
    case "candidate":
      return [step.candidate.hypothesis, ...step.candidate.evidence];
  }
}

const SENSELESS =
  /\bNaN\b|undefined|Infinity|\bnull\b|\[object|-\d+ (?:ms|s)\b|\(\)|; ;|, ,| {2}|^;|^$/;
const ONE_OF_MANY =
  /(?<![\d.]|by \w+: )\b1 (?:jobs|threads|processes|connections|requests|attempts|dead letters|workers|cores|clients)\b/;

function checkSentence(sentence: string): void {
  expect(sentence).not.toMatch(SENSELESS);
  expect(sentence).not.toMatch(ONE_OF_MANY);
  const [, within, target] =
    /a wait of (?:up to |at most )?([\d.]+ m?s), within the (.+?) that/.exec(sentence) ?? [];
  if (within?.endsWith(" s") && target?.endsWith(" s")) {
    expect(Number.parseFloat(within)).toBeLessThanOrEqual(Number.parseFloat(target));
  }
}

function checkChange(view: TargetView, change: Change): void {
  if (change.kind !== "set-knob") return expect.unreachable("these tuners set knobs only");
  const domain = view.knobs.find(({ id }) => id === change.knob)?.domain;
  expect(domain && domainError(domain, change.to)).toBeUndefined();
  expect(domain).toBeDefined();
  expect(change.from).toBe(view.values[change.knob]);
  expect(change.to).not.toBe(change.from);
}
