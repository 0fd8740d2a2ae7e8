/** How old the answers of several registry processes get: writers and readers on all of them, while Redis evicts, hangs, dies, comes back with old data. */
import { setTimeout as wait } from "node:timers/promises";
import { playCrash, UNTOLD_MAX_MS, type Aftermath } from "../test/registry/coherence/crash.ts";
import { checkHistory, type Verdict, type Write } from "../test/registry/coherence/history.ts";
import { mutants, startMutant } from "../test/registry/coherence/mutants.ts";
import { startProcess, type Registry } from "../test/registry/coherence/process.ts";
import { startProxy } from "../test/registry/coherence/proxy.ts";
import { scenarios, usually } from "../test/registry/coherence/scenarios.ts";
import { playStampede, type Stampede } from "../test/registry/coherence/stampede.ts";
import { drive, makeWorld, type Traffic } from "../test/registry/coherence/traffic.ts";
import { startStores, type Stores } from "../test/registry/stores.ts";
import type { Acceptance, BenchOptions, BenchResult } from "./run.ts";

const PROCESSES = 3;
const WORLD_SIZE = 6;
const STRETCH_MS = 6_000;
const STRETCH_TINY_MS = 300;
// On a busy machine a stretch goes on until there is something to check.
const READS_MIN = 60;
const WATCH_MAX_MS = 20_000;
const LOOK_EVERY_MS = 50;
const TTLS = {
  CACHE_L1_TTL_MS: "60000",
  CACHE_L2_TTL_MS: "60000",
  CACHE_L3_TTL_MS: "60000",
};
const TRAFFIC = { writers: 3, readers: 9, pauseMaxMs: 60 };

export async function run({ tiny, long = false }: BenchOptions): Promise<BenchResult> {
  const stretchMs = tiny ? STRETCH_TINY_MS : STRETCH_MS * (long ? 10 : 1);
  // What happens to the one Redis must not happen to the other.
  const [stores, quiet] = await Promise.all([startStores(), startStores()]);
  try {
    const [{ rows, stampede }, { aftermath, controls }] = await Promise.all([
      playAll(stores, stretchMs),
      playCrash(quiet).then(async (aftermath) => ({
        aftermath,
        controls: await playMutants(quiet),
      })),
    ]);
    return {
      title:
        `coherence: ${PROCESSES} registry processes, L1, L2 and L3 on, ${TRAFFIC.writers} writers and ${TRAFFIC.readers} readers;` +
        ` a read is old when it misses a write that was answered before it began`,
      head: [
        "while",
        "reads",
        "writes",
        "hits L1, L2, L3",
        "old",
        "oldest",
        "at the writer's own",
        "went back",
        "errors",
        "violations",
      ],
      rows: [...rows, ...controls].map(cellsOf),
      acceptance: acceptanceOf(rows, controls, stampede, aftermath),
    };
  } finally {
    await Promise.all([stores.stop(), quiet.stop()]);
  }
}

interface Row {
  readonly name: string;
  readonly verdict: Verdict;
  readonly writes: number;
  readonly hits: readonly number[];
  readonly errors: number;
}

async function playAll(
  stores: Stores,
  stretchMs: number,
): Promise<{ rows: readonly Row[]; stampede: Stampede }> {
  const databaseUrl = await stores.createDatabase("several");
  const proxy = await startProxy(stores.redisUrl);
  const urls = Array.from({ length: PROCESSES }, (_, index) =>
    index === 0 ? proxy.url : stores.redisUrl,
  );
  const processes = await Promise.all(
    urls.map((url) => startProcess({ DATABASE_URL: databaseUrl, REDIS_URL: url, ...TTLS })),
  );
  try {
    const [first] = processes;
    if (first === undefined) throw new Error("No process was started.");
    const world = await makeWorld(first, WORLD_SIZE);
    const untold = () => first.metric("registry_cache_untold_scopes");
    const versions = new Map<string, number>();
    const rows: Row[] = [];
    const writes: Write[] = [];
    for (const [seed, { name, play }] of scenarios.entries()) {
      const before = await hitsOf(processes);
      let promised = usually;
      const traffic = await drive(
        processes,
        world,
        versions,
        { ...TRAFFIC, seed },
        async (soFar) => {
          const watch = () => watchTraffic(soFar, stretchMs);
          promised = await play({ stores, proxy, untold, watch });
        },
      );
      const after = await hitsOf(processes);
      writes.push(...traffic.writes);
      rows.push({
        name,
        verdict: checkHistory({ writes, reads: traffic.reads }, promised),
        writes: traffic.writes.length,
        hits: after.map((count, tier) => count - (before[tier] ?? 0)),
        errors: traffic.errors.length,
      });
    }
    return { rows, stampede: await playStampede(first, databaseUrl) };
  } finally {
    await Promise.all(processes.map(({ kill }) => kill()));
    await proxy.close();
  }
}

/** Each runs until the checker has found it out, or the time is over. */
async function playMutants(stores: Stores): Promise<readonly Row[]> {
  const rows: Row[] = [];
  for (const [index, mutant] of mutants.entries()) {
    const environment = {
      DATABASE_URL: await stores.createDatabase(`mutant_${index}`),
      REDIS_URL: stores.redisUrl,
      ...TTLS,
    };
    const registry = await startMutant(mutant, environment);
    try {
      const world = await makeWorld(registry, WORLD_SIZE);
      const options = { ...TRAFFIC, seed: index };
      let verdict = checkHistory({ writes: [], reads: [] }, usually);
      const traffic = await drive([registry], world, new Map(), options, async (soFar) => {
        const deadlineMs = performance.now() + WATCH_MAX_MS;
        while (tooOld(verdict) === 0 && performance.now() < deadlineMs) {
          await wait(LOOK_EVERY_MS);
          verdict = checkHistory(soFar, usually);
        }
      });
      rows.push({
        name: `control: ${mutant.name}`,
        verdict,
        writes: traffic.writes.length,
        hits: await hitsOf([registry]),
        errors: traffic.errors.length,
      });
    } finally {
      await registry.kill();
    }
  }
  return rows;
}

async function watchTraffic({ reads }: Traffic, stretchMs: number): Promise<void> {
  const startMs = performance.now();
  const before = reads.length;
  await wait(stretchMs);
  while (reads.length < before + READS_MIN && performance.now() < startMs + WATCH_MAX_MS)
    await wait(LOOK_EVERY_MS);
}

async function hitsOf(processes: readonly Pick<Registry, "metric">[]): Promise<readonly number[]> {
  return Promise.all(
    ["l1", "l2", "l3"].map(async (tier) => {
      const name = `registry_cache_hits_total{tier="${tier}"}`;
      const each = await Promise.all(processes.map(({ metric }) => metric(name)));
      return each.reduce((sum, count) => sum + count, 0);
    }),
  );
}

function cellsOf({ name, verdict, writes, hits, errors }: Row): readonly string[] {
  return [
    name,
    String(verdict.reads),
    String(writes),
    hits.join(", "),
    String(verdict.old),
    milliseconds(verdict.ageMaxMs),
    milliseconds(verdict.ageMaxOwnMs),
    String(verdict.wentBack),
    String(errors),
    String(verdict.violations.length),
  ];
}

function acceptanceOf(
  rows: readonly Row[],
  controls: readonly Row[],
  { requests, sent, arrived }: Stampede,
  { reads, lastOldMs, readMaxMs }: Aftermath,
): readonly Acceptance[] {
  const sum = (of: (row: Row) => number) => rows.reduce((total, row) => total + of(row), 0);
  return [
    none(
      "reads older than promised",
      sum(({ verdict }) => verdict.violations.length),
    ),
    none(
      "requests that failed",
      sum(({ errors }) => errors),
    ),
    {
      what: "reads checked, the fewest of a row",
      value: String(Math.min(...rows.map(({ verdict }) => verdict.reads))),
      goal: "at least 100",
      ok: rows.every(({ verdict }) => verdict.reads >= 100),
    },
    {
      what: `${requests} concurrent misses of one answer: statements`,
      value: `${sent} sent, ${arrived} arrived`,
      goal: "1",
      ok: sent === 1 && arrived === 1,
    },
    {
      what: `a writer dies untold: the last old answer after its commit, ${reads} reads`,
      value: milliseconds(lastOldMs),
      goal: `at most ${milliseconds(UNTOLD_MAX_MS)} and the time of two reads, ${milliseconds(readMaxMs)} each`,
      ok: lastOldMs <= UNTOLD_MAX_MS + 2 * readMaxMs,
    },
    {
      what: "negative controls: reads too old that the checker finds, the fewest",
      value: String(Math.min(...controls.map(({ verdict }) => tooOld(verdict)))),
      goal: "at least 1",
      ok: controls.every(({ verdict }) => tooOld(verdict) > 0),
    },
  ];
}

function tooOld({ violations }: Verdict): number {
  return violations.filter(({ kind }) => kind === "too old").length;
}

function none(what: string, value: number): Acceptance {
  return { what, value: String(value), goal: "none", ok: value === 0 };
}

function milliseconds(value: number): string {
  return `${value.toFixed(0)} ms`;
}
