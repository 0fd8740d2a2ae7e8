/** Capacity for the report tests' runs: a persona that asks for it, and what was measured before and after. */
import type { CapacityPlan, CapacityResult, OverloadResult } from "../../src/core/capacity.ts";
import type { Entry, RunEvent } from "../../src/core/event.ts";
import type { CapacityObjective } from "../../src/core/persona.ts";
import type { LimitProbe, LimitResult } from "../../src/core/result.ts";

const plan: CapacityPlan = {
  users: {
    think: { kind: "exponential", meanMs: 1_000 },
    slos: [
      { metric: "api.latencyP95Ms", limit: 200, text: "p95<200ms" },
      { metric: "api.errorRate", limit: 0.01, text: "errors<1%" },
    ],
    windowMs: 3_000,
    windowsMax: 24,
  },
  overload: { factor: 2, windowMs: 5_000 },
};

const objectives: readonly CapacityObjective[] = [
  { metric: "api.usersSustained", goal: 500, stretch: 600, weight: 3 },
  { metric: "queue.depthSustained", goal: 1_000, weight: 1 },
];

const overload: OverloadResult = {
  requestsPerSecondOffered: 806,
  goodputPerSecond: 211,
  peakPerSecond: 403,
  rejectedShare: 0,
  failedShare: 0.48,
  queueDepthMax: 500,
  queueWaitP95Ms: 4_210,
  deadLetters: 0,
  latencyP95Ms: 8_900,
};

export const before: CapacityResult = {
  users: searched([
    [100, "holds", 41],
    [200, "holds", 120],
    [280, "breaks", 412],
    [237, "breaks", 224],
    [218, "holds", 171],
    [228, "unclear", 199],
  ]),
  overload,
};

export const after: CapacityResult = {
  users: searched([
    [218, "holds", 44],
    [305, "holds", 71],
    [427, "holds", 139],
    [598, "breaks", 613],
    [505, "breaks", 258],
    [464, "holds", 178],
  ]),
  overload: {
    ...overload,
    goodputPerSecond: 470,
    peakPerSecond: 489,
    rejectedShare: 0.413,
    failedShare: 0.001,
    queueDepthMax: 1_420,
    queueWaitP95Ms: 1_610,
    latencyP95Ms: 640,
    doubts: ["the load generator used 81.0 % of a core, at most 70.0 % allowed"],
  },
};

/** A limit from `[users, outcome, p95]`, in the order in which they were tried. */
export function searched(
  tried: readonly (readonly [number, LimitProbe["outcome"], number])[],
): LimitResult {
  const at = (outcome: LimitProbe["outcome"]) =>
    tried.flatMap(([load, found]) => (found === outcome ? [load] : []));
  const breaks = Math.min(...at("breaks"));
  const holds = Math.max(...at("holds").filter((load) => load < breaks));
  return {
    unit: "users",
    ...(Number.isFinite(holds) ? { holds } : {}),
    ...(Number.isFinite(breaks) ? { breaks } : {}),
    estimate: 1.02 * (Number.isFinite(holds) ? holds : breaks),
    probes: tried.map(([load, outcome, p95Ms]) => ({
      load,
      outcome,
      why: `API p95 ${p95Ms} ms against a limit of 200 ms, 1 window`,
      metrics: { "api.latencyP95Ms": p95Ms, "api.errorRate": 0 },
    })),
    detail: `${holds} users held and ${breaks} users did not`,
  };
}

/** The same run, of a persona that asks for capacity: measured before the first phase and after the confirmation. */
export function withCapacity(
  entries: readonly Entry[],
  baseline: CapacityResult | undefined,
  kept?: CapacityResult,
): readonly Entry[] {
  const phase = entries.findIndex(({ event }) => event.type === "phase-started");
  const end = entries.findIndex(({ event }) => event.type === "run-finished");
  const events: readonly RunEvent[] = [
    ...entries.slice(0, phase).map(({ event }) => asking(event)),
    ...(baseline ? measured("baseline", baseline) : []),
    ...entries.slice(phase, end).map(({ event }) => event),
    ...(kept ? measured("kept", kept) : []),
    ...entries.slice(end).map(({ event }) => event),
  ];
  const times = entries.map(({ at }) => at);
  return events.map((event, index) => ({
    seq: index + 1,
    at: times[Math.min(index, times.length - 1)] ?? "",
    event,
  }));
}

function measured(of: "baseline" | "kept", result: CapacityResult): readonly RunEvent[] {
  return [
    { type: "capacity-measured", of, result },
    ...(result.unmeasured ?? []).map((message) => ({ type: "warning" as const, message })),
  ];
}

function asking(event: RunEvent): RunEvent {
  if (event.type !== "run-started") return event;
  const persona = { ...event.persona, capacity: plan, capacityObjectives: objectives };
  return { ...event, persona };
}
