/** The gateways in front of four workers: a slow one, equal ones, a dead one, a hung one; and what they cost in front of the registry itself. */
import { setTimeout as wait } from "node:timers/promises";
import { BALANCINGS, type Balancing } from "../src/registry/gateway/config.ts";
import { gatewayKinds } from "../test/registry/gateway-kinds.ts";
import { jain, type Open } from "../test/registry/gateway-world.ts";
import { realCosts } from "./balance/real.ts";
import {
  delayedWay,
  drive,
  percentile,
  startWorkers,
  stopWorkers,
  type BenchWorker,
} from "./balance/world.ts";
import type { Acceptance, BenchOptions, BenchResult } from "./run.ts";

const WORKERS = 4;
const SLOWED_MS = 200;
const PER_SECOND = 200;
const LOOK_MS = 5;
const HEALTH_INTERVAL_MS = 500;
/** Where health is not the question: a check that the machine is late for would be an answer to another one. */
const SELDOM_MS = 60_000;
const P95_SHARE_MAX = 0.6;
const JAIN_MIN = 0.95;
const ERRORS_SHARE_MAX = 0.001;
const PATH = "/registered-models/search";

interface Size {
  readonly rounds: number;
  readonly windowMs: number;
  readonly lossMs: number;
}

const FULL: Size = { rounds: 4, windowMs: 3_000, lossMs: 6_000 };
const TINY: Size = { rounds: 1, windowMs: 250, lossMs: 800 };

export async function run({ tiny }: BenchOptions): Promise<BenchResult> {
  const size = tiny ? TINY : FULL;
  const rows: (readonly string[])[] = [];
  const acceptance: Acceptance[] = [];
  for (const [kind, open] of gatewayKinds) {
    const slowed = await playSlowed(open, size);
    rows.push(...slowed.map((row) => [kind, row.balancing, "one slowed", ...cellsOf(row)]));
    acceptance.push(slowedGoal(kind, slowed));
    for (const balancing of BALANCINGS) {
      const { index, shares, result } = await playEqual(open, balancing, size);
      rows.push([kind, balancing, "all equal", ...cellsOf({ ...result, shares })]);
      // Drawn at random it is only roughly even, and HAProxy draws from a ring whose parts differ: shown, not promised.
      if (balancing === "two-choices") continue;
      acceptance.push({
        what: `${kind}, ${balancing}: Jain's index of equal workers`,
        value: index.toFixed(4),
        goal: `at least ${JAIN_MIN}`,
        ok: index >= JAIN_MIN,
      });
    }
    for (const signal of ["SIGKILL", "SIGSTOP"] as const) {
      const loss = await playLoss(open, signal, size);
      rows.push([kind, "round-robin", `one gets ${signal}`, ...cellsOf(loss.result)]);
      acceptance.push(...lossGoals(kind, signal, loss));
    }
  }
  if (!tiny) rows.push(...(await realCosts(gatewayKinds.map(([kind]) => kind))));
  return {
    title: `balance: ${WORKERS} workers in processes of their own, ${PER_SECOND} GET a second; slowed: by ${SLOWED_MS} ms on the way`,
    head: [
      "gateway",
      "balancing",
      "while",
      "requests",
      "p50 ms",
      "p95 ms",
      "errors",
      "share of each worker",
    ],
    rows,
    acceptance,
  };
}

interface Result {
  readonly latenciesMs: readonly number[];
  readonly errors: number;
  readonly shares?: readonly number[];
}

interface SlowedRow extends Result {
  readonly balancing: Balancing;
}

const settings = {
  sticky: false,
  keepAlive: true,
  slowStartMs: 0,
  host: "127.0.0.1",
  port: 0,
  answerTimeoutMs: 10_000,
  seed: 1,
};

/** One gateway for each balancing over the same workers, and windows in turn: what the machine does otherwise hits all alike. */
async function playSlowed(open: Open, size: Size): Promise<readonly SlowedRow[]> {
  const workers = await startWorkers(WORKERS);
  const way = await delayedWay(workers.at(-1)?.url ?? "", SLOWED_MS);
  const places = workers.map(({ id, url }) => ({
    id,
    url: id === String(WORKERS) ? way.url : url,
  }));
  const gateways = await Promise.all(
    BALANCINGS.map((balancing) =>
      open({ ...settings, balancing, workers: places, healthIntervalMs: SELDOM_MS }),
    ),
  );
  try {
    const rows = BALANCINGS.map((balancing) => ({
      balancing,
      latenciesMs: [] as number[],
      errors: 0,
    }));
    const warmUp = { perSecond: PER_SECOND, durationMs: size.windowMs / 3 };
    for (const { port } of gateways) await drive(`http://127.0.0.1:${port}`, PATH, warmUp);
    for (let round = 0; round < size.rounds; round += 1) {
      for (const [index, gateway] of gateways.entries()) {
        const row = rows[index];
        const load = { perSecond: PER_SECOND, durationMs: size.windowMs };
        const window = await drive(`http://127.0.0.1:${gateway.port}`, PATH, load);
        row?.latenciesMs.push(...window.latenciesMs);
        if (row !== undefined) row.errors += window.errors;
      }
    }
    return rows;
  } finally {
    await Promise.all(gateways.map((gateway) => gateway.close(1_000)));
    way.close();
    await stopWorkers(workers);
  }
}

async function playEqual(
  open: Open,
  balancing: Balancing,
  size: Size,
): Promise<{ index: number; shares: readonly number[]; result: Result }> {
  return withGateway(open, { balancing, healthIntervalMs: SELDOM_MS }, async (port, workers) => {
    const load = { perSecond: 2 * PER_SECOND, durationMs: size.windowMs };
    const result = await drive(`http://127.0.0.1:${port}`, PATH, load);
    const asked = await Promise.all(workers.map((worker) => worker.asked()));
    const total = asked.reduce((sum, count) => sum + count, 0);
    return { index: jain(asked), shares: asked.map((count) => count / total), result };
  });
}

interface Loss {
  readonly result: Result;
  readonly outAfterMs: number;
}

/** The worker is lost in the middle of the load; SIGSTOP: it keeps its connections and says nothing, until it is out. */
async function playLoss(open: Open, signal: "SIGKILL" | "SIGSTOP", size: Size): Promise<Loss> {
  const options = { balancing: "round-robin", healthIntervalMs: HEALTH_INTERVAL_MS } as const;
  return withGateway(open, options, async (port, workers, isUp) => {
    const load = { perSecond: PER_SECOND, durationMs: size.lossMs };
    const underWay = drive(`http://127.0.0.1:${port}`, PATH, load);
    await wait(size.lossMs / 4);
    const [victim] = workers;
    const lostMs = performance.now();
    victim?.child.kill(signal);
    while ((await isUp("1")) && performance.now() < lostMs + 10 * HEALTH_INTERVAL_MS)
      await wait(LOOK_MS);
    const outAfterMs = performance.now() - lostMs;
    if (signal === "SIGSTOP") victim?.child.kill("SIGCONT");
    return { result: await underWay, outAfterMs };
  });
}

async function withGateway<T>(
  open: Open,
  options: { readonly balancing: Balancing; readonly healthIntervalMs: number },
  work: (
    port: number,
    workers: readonly BenchWorker[],
    isUp: (id: string) => Promise<boolean>,
  ) => Promise<T>,
): Promise<T> {
  const workers = await startWorkers(WORKERS);
  const places = workers.map(({ id, url }) => ({ id, url }));
  const gateway = await open({ ...settings, ...options, workers: places });
  try {
    return await work(gateway.port, workers, async (id) => {
      const states = await gateway.workers();
      return states.find((each) => each.id === id)?.state === "up";
    });
  } finally {
    await gateway.close(1_000);
    await stopWorkers(workers);
  }
}

function cellsOf({ latenciesMs, errors, shares }: Result): readonly string[] {
  return [
    String(latenciesMs.length + errors),
    percentile(latenciesMs, 0.5).toFixed(1),
    percentile(latenciesMs, 0.95).toFixed(1),
    String(errors),
    shares?.map((share) => `${(100 * share).toFixed(1)} %`).join(", ") ?? "",
  ];
}

function slowedGoal(kind: string, rows: readonly SlowedRow[]): Acceptance {
  const p95 = (balancing: Balancing) =>
    percentile(rows.find((row) => row.balancing === balancing)?.latenciesMs ?? [], 0.95);
  const share = p95("least-connections") / p95("round-robin");
  const two = p95("two-choices") / p95("round-robin");
  return {
    what: `${kind}: p95 of least connections over round robin's (two choices: ${percent(two)})`,
    value: percent(share),
    goal: `at most ${percent(P95_SHARE_MAX)}`,
    ok: share <= P95_SHARE_MAX,
  };
}

function lossGoals(
  kind: string,
  signal: string,
  { result, outAfterMs }: Loss,
): readonly Acceptance[] {
  const out: Acceptance = {
    what: `${kind}: a worker that gets ${signal} is out after`,
    value: `${outAfterMs.toFixed(0)} ms`,
    goal: `at most two intervals, ${2 * HEALTH_INTERVAL_MS} ms`,
    ok: outAfterMs <= 2 * HEALTH_INTERVAL_MS,
  };
  const share = result.errors / (result.errors + result.latenciesMs.length);
  const errors: Acceptance = {
    what: `${kind}: GET that failed while one got ${signal}`,
    value: `${result.errors} of ${result.errors + result.latenciesMs.length}`,
    goal: `under ${(100 * ERRORS_SHARE_MAX).toFixed(1)} %`,
    ok: share < ERRORS_SHARE_MAX,
  };
  return [out, errors];
}

function percent(share: number): string {
  return `${(100 * share).toFixed(0)} %`;
}
