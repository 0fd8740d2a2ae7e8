/** The runs that the report's tests tell: complete, nothing kept, interrupted, killed, undone, rolled back. */
import type { Entry } from "../../src/core/event.ts";
import type { Change } from "../../src/core/knob.ts";
import type { Prediction } from "../../src/core/trial.ts";
import {
  candidateOf,
  effect,
  journal,
  keep,
  SECRET,
  setKnob,
  slow,
  type State,
  type Writer,
} from "./journal-fixture.ts";
import { after, before, withCapacity } from "./capacity-fixture.ts";
import { runStarted } from "./persona-fixture.ts";

const cached: State = { ...slow, p95Ms: 214, cacheHit: 0.957, memoryMb: 158 };
const indexed: State = { ...cached, p95Ms: 152, queryMs: 18.4, indexHit: 0.981 };

const indexChange: Change = {
  kind: "create-index",
  index: {
    schema: "public",
    table: "runs",
    name: "runs_experiment_start_idx",
    columns: [
      { name: "experiment_id", descending: false },
      { name: "start_time", descending: true },
    ],
  },
};

const l1Change = setKnob("l1-ttl", 0, 5_000);

/** Kept, inconclusive, failed, no gain, a broken constraint, proven worse; three goals met and one missed. */
export function completeRun(): readonly Entry[] {
  const run = begin();
  microCache(run);
  indexAdvisor(run);
  connectionPool(run);
  redisMemory(run);
  const effects = run.pairs("confirm", 7, slow, indexed, 3);
  run.add({
    type: "confirmed",
    effects,
    pairs: 7,
    detail: "everything kept, against the baseline",
  });
  run.add({ type: "run-finished", outcome: "completed", detail: "every phase ended" });
  return run.entries;
}

/** Tried, nothing proven: the service stays as it was. */
export function nothingKeptRun(): readonly Entry[] {
  const run = begin();
  run.add({ type: "phase-started", phase: "connection-pool", strategy: "connection-pool" });
  run.observe("connection-pool", slow, { poolMax: 15 });
  run.trial(
    "connection-pool",
    candidateOf("pool-30", "connection-pool", "More connections shorten the wait", [
      setKnob("pool-max", 15, 30),
    ]),
    { pairs: 5, incumbent: slow, candidate: slow },
    (effects) => ({
      verdict: "discard",
      because: "no-gain",
      effect: effect(effects, "api.latencyP95Ms"),
      detail: "an effect of 3 % or more is excluded",
    }),
  );
  run.add({ type: "phase-finished", phase: "connection-pool", because: "nothing more to try" });
  run.add({
    type: "run-finished",
    outcome: "completed",
    detail: "nothing was kept, so there is nothing to confirm",
  });
  return run.entries;
}

/** Ctrl-C in the middle of a trial, after one change was kept and then undone. */
export function interruptedRun(): readonly Entry[] {
  const run = begin();
  microCache(run);
  run.add({ type: "phase-started", phase: "index-advisor", strategy: "index-advisor" });
  run.observe("index-advisor", cached, {});
  run.add({
    type: "trial-started",
    phase: "index-advisor",
    candidate: candidateOf("index-runs", "index-advisor", "An index helps", [indexChange]),
  });
  run.pairs("index-runs", 2, cached, indexed);
  run.add({ type: "change-reverting", changeId: "change-1" });
  run.add({ type: "change-reverted", changeId: "change-1", detail: "l1-ttl is 0 again" });
  run.add({
    type: "run-finished",
    outcome: "interrupted",
    detail: "the run was interrupted; 1 kept change(s) undone, the target is at its baseline",
  });
  return run.entries;
}

/** kill -9 while a change was being applied. */
export function killedRun(): readonly Entry[] {
  const run = begin();
  run.add({ type: "phase-started", phase: "micro-cache", strategy: "micro-cache" });
  run.add({ type: "change-applying", changeId: "change-1", change: l1Change });
  return run.entries;
}

/** The phases ended with a kept change, the confirmation never came. */
export function unconfirmedRun(): readonly Entry[] {
  const run = begin();
  microCache(run);
  run.add({
    type: "run-finished",
    outcome: "failed",
    detail: `could not connect to postgres://bob:${SECRET}@db.example/registry`,
  });
  return run.entries;
}

/** Proven worse together: undone before the confirmation was written down. */
export function undoneRun(): readonly Entry[] {
  const run = begin();
  microCache(run);
  const effects = run.pairs("confirm", 5, slow, { ...cached, p95Ms: 330 });
  run.add({ type: "change-reverting", changeId: "change-1" });
  run.add({ type: "change-reverted", changeId: "change-1", detail: "l1-ttl is 0 again" });
  run.add({
    type: "confirmed",
    effects,
    pairs: 5,
    detail: "proven worse together, so everything was undone",
  });
  run.add({ type: "run-finished", outcome: "completed", detail: "undone" });
  return run.entries;
}

/** A persona that asks how much the service carries: users and overload, before and after. */
export function capacityRun(): readonly Entry[] {
  return withCapacity(completeRun(), before, after);
}

/** Nothing was kept: capacity was measured once. */
export function capacityOnceRun(): readonly Entry[] {
  return withCapacity(nothingKeptRun(), before);
}

/** Candidates of which something was predicted: one that held, one that was off, one that was never measured. */
export function predictedRun(): readonly Entry[] {
  const run = begin();
  const phase = "redis-memory";
  run.add({ type: "phase-started", phase, strategy: phase });
  run.observe(phase, slow, {});
  const candidate = (id: string, predicted: readonly Prediction[]) => ({
    ...candidateOf(id, phase, `More memory raises the hit rate, as ${id}`, [
      setKnob("redis-maxmemory", 64 * 1024 ** 2, 96 * 1024 ** 2),
    ]),
    predicted,
  });
  const method = "the window's own trace, simulated as Redis evicts";
  run.trial(
    phase,
    candidate("maxmemory-96mb", [
      { metric: "cache.hitRate", value: 0.951, low: 0.946, high: 0.956, method },
      { metric: "redis.usedBytes", value: 9e7, low: 8.8e7, high: 9.2e7, method },
    ]),
    { pairs: 7, incumbent: slow, candidate: { ...slow, cacheHit: 0.957 } },
    (effects) => keep(effects, "cache.hitRate"),
  );
  run.apply("change-1", setKnob("redis-maxmemory", 64 * 1024 ** 2, 96 * 1024 ** 2));
  run.observe(phase, { ...slow, cacheHit: 0.957 }, {});
  run.trial(
    phase,
    candidate("maxmemory-128mb", [
      { metric: "cache.hitRate", value: 0.985, low: 0.98, high: 0.99, method },
    ]),
    {
      pairs: 5,
      incumbent: { ...slow, cacheHit: 0.957 },
      candidate: { ...slow, cacheHit: 0.9575 },
    },
    (effects) => ({
      verdict: "discard",
      because: "no-gain",
      effect: effect(effects, "cache.hitRate"),
      detail: "an effect of 1 point or more is excluded",
    }),
  );
  run.add({ type: "phase-finished", phase, because: "nothing more to try" });
  run.add({ type: "run-finished", outcome: "completed", detail: "every phase ended" });
  return run.entries;
}

/** A complete run that the user rolled back afterwards. */
export function rolledBackRun(): readonly Entry[] {
  const run = journal();
  run.entries.push(...completeRun());
  run.add({ type: "change-reverting", changeId: "change-2" });
  run.add({ type: "change-reverted", changeId: "change-2", detail: "the index is gone" });
  run.add({ type: "change-reverting", changeId: "change-1" });
  run.add({ type: "change-reverted", changeId: "change-1", detail: "l1-ttl is 0 again" });
  run.add({ type: "rolled-back", detail: "2 changes undone" });
  return run.entries;
}

function begin(): Writer {
  const run = journal();
  run.add(runStarted());
  run.add(
    {
      type: "rate-set",
      saturationRequestsPerSecond: 402.7,
      requestsPerSecond: 241,
      how: "60 % of the saturation rate that a closed loop found on the baseline",
    },
    9_000,
  );
  const effects = run.pairs("noise", 4, slow, slow);
  run.add({ type: "noise-measured", effects, detectable: 0.034, pairs: 4 });
  return run;
}

function microCache(run: Writer): void {
  const phase = "micro-cache";
  run.add({ type: "phase-started", phase, strategy: phase });
  run.observe(phase, slow, {
    repeatShare: 0.618,
    hotKeys: 240,
    meanGapMs: 812,
    tiers: { l1Bytes: 0, l2HitRate: 0.912 },
    endpoints: ["search runs", "get model"],
  });
  run.probe(
    phase,
    { ...slow, p95Ms: 231 },
    [setKnob("l1-ttl", 0, 1_000)],
    "the shortest lifetime that could pay",
  );
  run.probe(phase, cached, [setKnob("l1-ttl", 0, 5_000)], "the persona's preset");
  run.probe(
    phase,
    { ...cached, p95Ms: 211 },
    [setKnob("l1-ttl", 0, 20_000)],
    "whether longer is better",
  );
  run.trial(
    phase,
    candidateOf(
      "l1-ttl-5s",
      phase,
      "Keeping hot answers 5 s in process lowers API p95 by 3 % or more",
      [l1Change],
      [
        "61.8 % of requests repeat one of the 5 s before",
        `seen at postgres://bob:${SECRET}@db.example/registry`,
      ],
    ),
    { pairs: 7, incumbent: slow, candidate: cached },
    keep,
    [
      { metric: "api.errorRate", ok: true, detail: "0 % is at most 0.1 %" },
      { metric: "service.memoryBytes", ok: true, detail: "+12.1 % is within +25 %" },
    ],
  );
  run.apply("change-1", l1Change);
  run.observe(phase, cached, { repeatShare: 0.618 });
  run.trial(
    phase,
    candidateOf("l1-ttl-20s", phase, "20 s instead of 5 s lowers API p95 further", [
      setKnob("l1-ttl", 5_000, 20_000),
    ]),
    { pairs: 10, incumbent: cached, candidate: { ...cached, p95Ms: 211 }, invalidAt: 2 },
    (effects) => ({
      verdict: "inconclusive",
      effect: effect(effects, "api.latencyP95Ms"),
      detectable: 0.031,
      detail: "the interval holds both no change and a gain worth keeping",
    }),
  );
  run.add({ type: "phase-finished", phase, because: "the response curve is flat beyond 5 s" });
}

function indexAdvisor(run: Writer): void {
  const phase = "index-advisor";
  run.add({ type: "phase-started", phase, strategy: phase });
  run.observe(phase, cached, {
    statements: 14,
    slowestSql: "SELECT * FROM runs WHERE experiment_id = $1 AND start_time < $2 | x",
    slowestShare: 0.74,
  });
  run.trial(
    phase,
    candidateOf(
      "index-runs",
      phase,
      "An index on runs (experiment_id, start_time) replaces the sequential scan of `runs` <by far>",
      [indexChange],
      ["sequential scan reads 200,000 rows to return 50"],
    ),
    { pairs: 7, incumbent: cached, candidate: indexed },
    keep,
  );
  run.apply("change-2", indexChange);
  run.observe(phase, indexed, {});
  run.trial(
    phase,
    candidateOf("index-metrics", phase, "An index on metrics (run_id, key) helps", [
      {
        kind: "create-index",
        index: {
          schema: "public",
          table: "metrics",
          name: "metrics_run_key_idx",
          columns: [{ name: "run_id", descending: false }],
        },
      },
    ]),
    undefined,
    () => ({
      verdict: "discard",
      because: "failed",
      detail: `it could not be staged: connection to postgres://bob:${SECRET}@db.example/registry lost`,
    }),
  );
  run.add({ type: "phase-finished", phase, because: "no statement has a plan worth an index" });
}

function connectionPool(run: Writer): void {
  const phase = "connection-pool";
  run.add({ type: "phase-started", phase, strategy: phase });
  run.observe(phase, indexed, { poolMax: 15, poolUseRatio: 0.62, poolWaitMs: 1.9 });
  for (const [size, p95Ms] of [
    [4, 171],
    [8, 149],
    [30, 155],
    [60, 178],
  ] as const)
    run.probe(phase, { ...indexed, p95Ms }, [setKnob("pool-max", 15, size)], "ladder");
  run.trial(
    phase,
    candidateOf("pool-8", phase, "8 connections are enough and queue less in the database", [
      setKnob("pool-max", 15, 8),
    ]),
    { pairs: 5, incumbent: indexed, candidate: indexed },
    (effects) => ({
      verdict: "discard",
      because: "no-gain",
      effect: effect(effects, "api.latencyP95Ms"),
      detail: "a gain of 3 % or more is excluded",
    }),
  );
  run.trial(
    phase,
    candidateOf("pool-30", phase, "30 connections shorten the wait", [setKnob("pool-max", 15, 30)]),
    { pairs: 5, incumbent: indexed, candidate: { ...indexed, p95Ms: 140, memoryMb: 226 } },
    (effects) => ({
      verdict: "discard",
      because: "constraint",
      effect: effect(effects, "api.latencyP95Ms"),
      detail: "service memory is over its limit",
    }),
    [
      { metric: "api.errorRate", ok: true, detail: "0 % is at most 0.1 %" },
      { metric: "service.memoryBytes", ok: false, detail: "+43.0 % is more than +25 %" },
    ],
  );
  run.add({ type: "phase-finished", phase, because: "the ladder is searched" });
}

function redisMemory(run: Writer): void {
  const phase = "redis-memory";
  run.add({
    type: "warning",
    message: `Redis at redis://:${SECRET}@cache.example reports no evictions`,
  });
  run.add({ type: "phase-started", phase, strategy: phase });
  run.observe(phase, indexed, {
    maxmemoryBytes: 2 ** 27,
    datasetBytes: 2 ** 25,
    evictedInWindow: 0,
  });
  run.trial(
    phase,
    candidateOf("maxmemory-1gb", phase, "1 GB keeps more answers", [
      setKnob("redis-maxmemory", 2 ** 27, 2 ** 30),
    ]),
    { pairs: 5, incumbent: indexed, candidate: { ...indexed, cacheHit: 0.93 } },
    (effects) => ({
      verdict: "discard",
      because: "worse",
      effect: effect(effects, "cache.hitRate"),
      detail: "the whole interval is worse than no change",
    }),
  );
  run.add({
    type: "phase-finished",
    phase,
    because: "nothing is evicted, so more memory cannot help",
  });
}
