/** Batch: size, parallel batches and the method on services whose truth is known; cliffs, constraints, and what it says when none is better. */
import { expect, test } from "vitest";
import type { TaskResult } from "../../src/core/sample.ts";
import { batch } from "../../src/tuners/batch.ts";
import { makeSample } from "../samples.ts";
import type { WorldState } from "../simulator.ts";
import { askOf, candidateOf, reasonOf, strategyOf, valuesOf, viewOf } from "./views.ts";
import { keptShare, keptValues, runPhase } from "./worlds.ts";
import type { Phase, World } from "./worlds.ts";

const MB = 1024 ** 2;
const phase: Phase = {
  tuner: batch,
  objective: "batch.recordsPerSecond",
  settings: { "batch-size": 500, "batch-parallel": 2 },
};
const beside: Phase = {
  ...phase,
  constraints: [{ kind: "no-regression", metric: "api.latencyP95Ms", tolerance: 0.25 }],
};
const SEEDS = Array.from({ length: 20 }, (_, index) => index + 1);

interface Setting {
  readonly rows: number;
  readonly writers: number;
  readonly way: string;
}

function settingOf({ values }: Pick<WorldState, "values">): Setting {
  return {
    rows: Number(values["rows"]),
    writers: Number(values["writers"]),
    way: String(values["way"]),
  };
}

/** A round trip and a price for each row; two cores for the writers; and what is in flight at a time makes all of it slower. */
function rateOf({ rows, writers, way }: Setting, bestInFlight = 4_000): number {
  const each = way === "copy" ? 0.03 : 0.06;
  const alone = (1_000 * rows) / (4 + each * rows);
  const together = writers / (1 + 0.4 * (writers - 1) + 0.05 * (writers - 1) ** 2);
  return (alone * together) / (1 + ((rows * writers) / (3 * bestInFlight)) ** 2);
}

/** With seven columns a batch beyond 9,362 rows has too many parameters. */
const COLUMNS = 7;

function bulk(rate = rateOf): World {
  return {
    truth: (state) => {
      const setting = settingOf(state);
      const isRefused = setting.way === "insert" && setting.rows * COLUMNS > 65_535;
      if (isRefused) return {};
      return {
        "batch.recordsPerSecond": rate(setting),
        "api.latencyP95Ms": 50 * (1 + 0.03 * (setting.writers - 1)),
        "service.memoryPeakBytes": 300 * MB + 200 * setting.rows * setting.writers,
      };
    },
  };
}

const best = (way: string, rate = rateOf) =>
  Math.max(
    ...[100, 200, 400, 800, 1_200, 1_800, 2_500, 3_500, 5_000, 7_000, 9_000].flatMap((rows) =>
      [1, 2, 3, 4, 5, 6].map((writers) => rate({ rows, writers, way })),
    ),
  );

/** Share of seeds whose kept setting is within this share of the best that the method allows. */
async function foundShare(world: World, least: number, rate = rateOf, way = "copy") {
  const top = best(way, rate);
  let found = 0;
  for (const seed of SEEDS) {
    const kept = keptValues(await runPhase(world, phase, seed));
    const setting = settingOf({ values: { rows: 100, writers: 1, way: "insert", ...kept } });
    if (rate(setting) >= least * top) found += 1;
  }
  return found / SEEDS.length;
}

test("size and parallel together, by the better method: the region of the optimum, with batches read ahead along", async () => {
  expect(await foundShare(bulk(), 0.8)).toBeGreaterThanOrEqual(0.8);
  const outcome = await runPhase(bulk(), phase, 3);
  const kept = keptValues(outcome);
  expect(kept["way"]).toBe("copy");
  expect(Number(kept["ahead"] ?? 4)).toBeGreaterThan(Number(kept["writers"] ?? 1));
  const evidence = outcome.trials[0]?.candidate.evidence.join("; ") ?? "";
  expect(evidence).toMatch(
    /single windows at the present size, bulk records\/s by insert: [^;]*by copy: \d/,
  );
  expect(evidence).toMatch(/by copy: single windows, bulk records\/s by rows x writers: 100 x 1: /);
  expect(evidence).toContain("500 x 1: ");
});

test("a method that is worth nothing with small batches is tried again with those that were found", async () => {
  // What COPY costs to begin is paid back by many rows alone.
  const late: World = bulk((setting) =>
    setting.way === "copy"
      ? rateOf({ ...setting, way: "insert" }) * (setting.rows < 400 ? 0.9 : 1.8)
      : rateOf(setting),
  );
  let copied = 0;
  for (const seed of SEEDS) {
    const outcome = await runPhase(late, phase, seed);
    if (keptValues(outcome)["way"] === "copy") copied += 1;
    const evidence = outcome.trials[0]?.candidate.evidence.join("; ");
    expect(evidence).toMatch(/single windows at the size that was found/);
  }
  expect(copied).toBeGreaterThanOrEqual(SEEDS.length * 0.8);
});

const byInsert = (setting: Setting) => rateOf({ ...setting, way: "insert" }, 60_000);

test("where copying is no better the search stays with inserts, short of what PostgreSQL takes", async () => {
  const world = bulk(byInsert);
  let met = 0;
  let copied = 0;
  for (const seed of SEEDS) {
    const outcome = await runPhase(world, phase, seed);
    const { rows = 100, way = "insert" } = keptValues(outcome);
    // A lucky window may choose the other method, which is as good here; it is not what limits the rows then.
    if (way === "copy") copied += 1;
    else expect(Number(rows) * COLUMNS).toBeLessThanOrEqual(65_535);
    const isMet = ({ changes, sample }: (typeof outcome.probes)[number]) =>
      changes.some((each) => each.kind === "set-knob" && each.knob === "rows") &&
      sample.metrics["batch.recordsPerSecond"] === undefined;
    if (!outcome.probes.some(isMet)) continue;
    met += 1;
    const facts = outcome.trials[0]?.candidate.evidence.join("; ") ?? outcome.because;
    expect(facts).toMatch(/: not measured[^]*65535 in a statement/);
  }
  expect(met).toBeGreaterThan(0);
  expect(copied).toBeLessThanOrEqual(SEEDS.length / 5);
});

test("a setting that the requests beside it feel is not chosen, and the reason is in the evidence", async () => {
  const loud: World = {
    truth: (state, request) => {
      const { rows, writers } = settingOf(state);
      const p95 = 50 * (1 + Math.max(0, rows * writers - 2_000) / 2_000);
      return { ...bulk().truth(state, request), "api.latencyP95Ms": p95 };
    },
  };
  for (const seed of [1, 2, 3, 4]) {
    const outcome = await runPhase(loud, beside, seed);
    const { rows = 100, writers = 1 } = keptValues(outcome);
    expect(Number(rows) * Number(writers)).toBeLessThan(2_900);
    expect(outcome.trials[0]?.candidate.evidence.join("; ")).toMatch(
      /not usable \(API p95 \+\d+\.\d %, where a single window may have 100 %\)/,
    );
  }
});

test("memory: nothing beyond the persona's limit, nor beyond half of the machine's", async () => {
  const greedy: World = {
    truth: (state, request) => {
      const { rows, writers } = settingOf(state);
      const peak = 300 * MB + 1_000_000 * rows * writers;
      return {
        ...bulk().truth(state, request),
        "service.memoryPeakBytes": peak,
        "service.memoryBytes": 300 * MB,
      };
    },
  };
  const limited: Phase = {
    ...phase,
    constraints: [{ kind: "limit", metric: "service.memoryBytes", limit: 1_000 * MB }],
  };
  for (const [each, most] of [
    [limited, 800],
    [phase, 2_000],
  ] as const) {
    const { rows = 100, writers = 1 } = keptValues(await runPhase(greedy, each, 5));
    expect(Number(rows) * Number(writers)).toBeLessThan(most);
  }
});

test("a service on which nothing of it matters keeps hardly any", async () => {
  const flat: World = {
    truth: () => ({ "batch.recordsPerSecond": 9_000, "api.latencyP95Ms": 50 }),
  };
  const { share, trials } = await keptShare(flat, beside, 40);
  expect(trials).toBeGreaterThan(0);
  expect(share).toBeLessThanOrEqual(0.05);
});

test("a setting that looks better and is worse is not kept", async () => {
  const worse: World = bulk(
    ({ rows, writers }) => 9_000 / (1 + 0.1 * Math.abs(Math.log((rows * writers) / 100))),
  );
  const { share } = await keptShare(worse, phase, 20);
  expect(share).toBeLessThanOrEqual(0.05);
});

const usual = { "batch.recordsPerSecond": 8_000, "api.latencyP95Ms": 50 };
const strategy = strategyOf("batch.recordsPerSecond", phase.settings ?? {});

async function asked(values = {}, view = viewOf({ metrics: usual, values })) {
  const observation = await batch.observe(view);
  return (more: Partial<Parameters<typeof askOf>[1]> = {}) =>
    batch.next(askOf(observation, { strategy, ...more }));
}

function probed(values: Readonly<Record<string, string | number>>, records: number | undefined) {
  return {
    kind: "probe" as const,
    changes: Object.entries(values).map(([knob, to]) => ({
      kind: "set-knob" as const,
      knob,
      from: knob === "way" ? "insert" : 1,
      to,
    })),
    why: "test",
    sample:
      records === undefined
        ? makeSample({}, { invalidBecause: "the service did not start" })
        : makeSample({ ...usual, "batch.recordsPerSecond": records }),
  };
}

test("first the other method, once more where it could not be measured, then without it", async () => {
  const next = await asked();
  expect(valuesOf(next())).toEqual({ way: "copy" });
  const once = [probed({ way: "copy" }, undefined)];
  expect(valuesOf(next({ history: once }))).toEqual({ way: "copy" });
  const twice = [...once, ...once];
  expect(valuesOf(next({ history: twice }))).toEqual({ rows: 500 });
  expect(valuesOf(next({ history: [probed({ way: "copy" }, 12_000)] }))).toEqual({
    way: "copy",
    rows: 500,
  });
});

test("a batch larger than an import is not tried, nor more batches at a time than there are connections", async () => {
  const tasks: readonly TaskResult[] = [
    {
      name: "import",
      kind: "ingest",
      durationsMs: [900],
      records: 400,
      responseBytes: 9,
      failed: 0,
    },
  ];
  const view = viewOf({ metrics: usual, values: { connections: 3, way: "copy" } });
  const sample = { ...view.sample, load: { ...view.sample.load, tasks } };
  const next = await asked({}, { ...view, sample });
  const first = next();
  expect(Number(valuesOf(first)["rows"])).toBeLessThanOrEqual(400);
  const history = [probed({ rows: 250 }, 8_000)];
  for (let steps = 0; steps < 12; steps += 1) {
    const step = next({ history });
    if (step.kind !== "probe") break;
    const { rows = 100, writers = 1 } = valuesOf(step);
    expect(Number(rows)).toBeLessThanOrEqual(400);
    expect(Number(writers)).toBeLessThanOrEqual(2);
    history.push(
      probed(
        Object.fromEntries(Object.entries(valuesOf(step)).map(([knob, to]) => [knob, Number(to)])),
        8_000,
      ),
    );
  }
});

const size = (values: ReturnType<typeof valuesOf>) =>
  Number(values["rows"] ?? 100) * Number(values["writers"] ?? 1);

test("after a trial that cost the requests too much, a setting that takes less is tried; and then no more", async () => {
  const next = await asked({ way: "copy" });
  const history: ReturnType<typeof probed>[] = [];
  let step = next({ history });
  for (let steps = 0; steps < 12 && step.kind === "probe"; steps += 1) {
    const { rows = 100, writers = 1 } = valuesOf(step);
    const values = {
      ...(rows === 100 ? {} : { rows: Number(rows) }),
      ...(writers === 1 ? {} : { writers: Number(writers) }),
    };
    history.push(
      probed(values, 8_000 * (1 + 0.4 * Math.log10((Number(rows) * Number(writers)) / 100))),
    );
    step = next({ history });
  }
  const candidate = candidateOf(step);
  const refusal = {
    kind: "trial" as const,
    candidate,
    decision: {
      verdict: "discard" as const,
      because: "constraint" as const,
      detail: "API p95 is worse.",
    },
  };
  const second = next({ history: [...history, refusal] });
  expect(size(valuesOf(second))).toBeLessThan(size(valuesOf(step)));
  const third = next({
    history: [...history, refusal, { ...refusal, candidate: candidateOf(second) }],
  });
  expect(Object.keys(valuesOf(third))).toEqual(["body"]);
});

test("says when nothing is measured of bulk work", async () => {
  const observation = await batch.observe(viewOf({ metrics: {} }));
  expect(reasonOf(batch.next(askOf(observation, { strategy })))).toMatch(
    /bulk records\/s was not measured/,
  );
});
