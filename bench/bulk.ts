/** Bulk imports of the bundled service beside what plain PostgreSQL offers, five million rows in bounded memory, and an import whose service is killed. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "pg";
import { median } from "simple-statistics";
import { applySchema } from "../src/registry/schema.ts";
import { startStores, type Stores } from "../test/registry/stores.ts";
import { COUNT_METRICS, COUNT_VERSIONS, playKill, writeVersions } from "./bulk/kill.ts";
import type { KillResult } from "./bulk/kill.ts";
import { copyFile, hasPsql, insertMany, insertOneByOne } from "./bulk/peers.ts";
import { startService } from "./bulk/service.ts";
import type { Service } from "./bulk/service.ts";
import { copyOf, createRuns, ndjsonOf, writeFile } from "./bulk/world.ts";
import type { Acceptance, BenchOptions, BenchResult } from "./run.ts";

const RATIO_GOAL = 1.3;
/** Stated in docs/registry-bulk.md: the service's own 100 MB, a young generation of 3 times 16 MB, and batches. */
const RSS_GOAL_MB = 400;
const INSERT_ROWS = 1_000;
const TUNED = { BATCH_METHOD: "copy", BATCH_SIZE: "5000", BATCH_PARALLEL: "2" };

interface Scale {
  readonly rows: number;
  readonly rounds: number;
  /** Of plain INSERTs, one by one. */
  readonly oneByOneRows: number;
  readonly ingestRows: number;
  readonly killRows: number;
  readonly versionRows: number;
}

const FULL: Scale = {
  rows: 200_000,
  rounds: 5,
  oneByOneRows: 5_000,
  ingestRows: 5_000_000,
  killRows: 300_000,
  versionRows: 20_000,
};
const TINY: Scale = {
  rows: 3_000,
  rounds: 1,
  oneByOneRows: 200,
  ingestRows: 20_000,
  killRows: 20_000,
  versionRows: 10_000,
};

interface Contender {
  readonly name: string;
  readonly rows: number;
  readonly write: () => Promise<unknown>;
  /** Of the service's process. */
  readonly cpuSeconds?: () => number;
}

export async function run({ tiny }: BenchOptions): Promise<BenchResult> {
  const scale = tiny ? TINY : FULL;
  const stores = await startStores();
  const folder = mkdtempSync(join(tmpdir(), "bulk-bench-"));
  try {
    const compared = await compare(stores, folder, scale);
    const ingest = await ingestLarge(stores, folder, scale);
    const kills = await killInTheMiddle(stores, folder, scale);
    const ratio =
      (compared.medians.get("service, tuned") ?? NaN) / (compared.medians.get(COPY) ?? NaN);
    return {
      title:
        `bulk: ${scale.rows} metrics into one table with its keys, the same rows into the empty table each time, median of ${scale.rounds} interleaved rounds;` +
        ` the service keeps latest_metrics too and checks every record, the others do not; tuned: ${JSON.stringify(TUNED)}`,
      head: ["what", "rows", "us/row", "rows/s", "low to high, us/row", "service's CPU, us/row"],
      rows: [...compared.rows, ingest.row, ...kills.map(killRow)],
      acceptance: [
        {
          what: "tuned path, time over psql COPY's",
          value: ratio.toFixed(2),
          goal: tiny ? "not judged with --tiny" : `<= ${RATIO_GOAL}`,
          ok: tiny || ratio <= RATIO_GOAL,
        },
        {
          what: `ingest of ${scale.ingestRows.toLocaleString("en")} rows: peak RSS`,
          value: `${ingest.peakRssMb.toFixed(0)} MB`,
          goal: `<= ${RSS_GOAL_MB} MB`,
          ok: ingest.peakRssMb <= RSS_GOAL_MB,
        },
        ...kills.map(killAcceptance),
      ],
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
    await stores.stop();
  }
}

const COPY = hasPsql ? "COPY by psql" : "COPY by pg-copy-streams (no psql here)";

async function compare(
  stores: Stores,
  folder: string,
  { rows, rounds, oneByOneRows }: Scale,
): Promise<{ rows: readonly (readonly string[])[]; medians: ReadonlyMap<string, number> }> {
  const url = await stores.createDatabase("compared");
  const environment = { DATABASE_URL: url, REDIS_URL: stores.redisUrl };
  const [plain, tuned] = await Promise.all([
    startService(environment),
    startService({ ...environment, ...TUNED }),
  ]);
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await createRuns(client, rows);
    const paths = { ndjson: join(folder, "rows.ndjson"), copy: join(folder, "rows.copy") };
    await writeFile(paths.ndjson, rows, ndjsonOf);
    await writeFile(paths.copy, rows, copyOf);
    const byService = (service: Service): Omit<Contender, "name" | "rows"> => ({
      write: () => importAll(service, paths.ndjson, rows),
      cpuSeconds: service.cpuSeconds,
    });
    const contenders: readonly Contender[] = [
      {
        name: "pg, INSERT one by one (fewer rows, scaled)",
        rows: oneByOneRows,
        write: () => insertOneByOne(url, oneByOneRows),
      },
      {
        name: `pg, INSERT of ${INSERT_ROWS}`,
        rows,
        write: () => insertMany(url, rows, INSERT_ROWS),
      },
      { name: COPY, rows, write: () => copyFile(url, paths.copy) },
      { name: "service, defaults", rows, ...byService(plain) },
      { name: "service, tuned", rows, ...byService(tuned) },
    ];
    return await timeAll(client, contenders, rounds);
  } finally {
    await Promise.all([plain.kill(), tuned.kill(), client.end()]);
  }
}

async function timeAll(
  client: Client,
  contenders: readonly Contender[],
  rounds: number,
): Promise<{ rows: readonly (readonly string[])[]; medians: ReadonlyMap<string, number> }> {
  const times = contenders.map((): { us: number[]; cpuUs: number[] } => ({ us: [], cpuUs: [] }));
  // The first round warms the processes and is thrown away, unless it is the only one.
  for (let round = rounds > 1 ? -1 : 0; round < rounds; round += 1) {
    for (const [index, { rows, write, cpuSeconds }] of contenders.entries()) {
      await client.query("TRUNCATE metrics, latest_metrics");
      // What one leaves to be written to disk would be the next one's to wait for.
      await client.query("CHECKPOINT");
      const cpuBefore = cpuSeconds?.() ?? 0;
      const startMs = performance.now();
      await write();
      const us = ((performance.now() - startMs) * 1_000) / rows;
      if (round < 0) continue;
      times[index]?.us.push(us);
      if (cpuSeconds !== undefined)
        times[index]?.cpuUs.push(((cpuSeconds() - cpuBefore) * 1e6) / rows);
    }
  }
  const medians = new Map<string, number>();
  const lines = contenders.map(({ name, rows }, index) => {
    const { us = [], cpuUs = [] } = times[index] ?? {};
    const middle = median(us);
    medians.set(name, middle);
    return [
      name,
      String(rows),
      middle.toFixed(2),
      (1e6 / middle).toFixed(0),
      `${Math.min(...us).toFixed(2)} to ${Math.max(...us).toFixed(2)}`,
      cpuUs.length === 0 ? "" : median(cpuUs).toFixed(2),
    ];
  });
  return { rows: lines, medians };
}

async function ingestLarge(
  stores: Stores,
  folder: string,
  { ingestRows }: Scale,
): Promise<{ row: readonly string[]; peakRssMb: number }> {
  const url = await stores.createDatabase("large");
  const service = await startService({
    DATABASE_URL: url,
    REDIS_URL: stores.redisUrl,
    ...TUNED,
  });
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await createRuns(client, ingestRows);
    const path = join(folder, "large.ndjson");
    await writeFile(path, ingestRows, ndjsonOf);
    const cpuBefore = service.cpuSeconds();
    const startMs = performance.now();
    await importAll(service, path, ingestRows);
    const us = ((performance.now() - startMs) * 1_000) / ingestRows;
    rmSync(path);
    const cpuUs = ((service.cpuSeconds() - cpuBefore) * 1e6) / ingestRows;
    const row = [
      "service, tuned, one large import",
      String(ingestRows),
      us.toFixed(2),
      (1e6 / us).toFixed(0),
      "one run",
      cpuUs.toFixed(2),
    ];
    return { row, peakRssMb: service.peakRssMb() };
  } finally {
    await Promise.all([service.kill(), client.end()]);
  }
}

async function killInTheMiddle(
  stores: Stores,
  folder: string,
  { killRows, versionRows }: Scale,
): Promise<readonly KillResult[]> {
  const url = await stores.createDatabase("killed");
  const environment = {
    DATABASE_URL: url,
    REDIS_URL: stores.redisUrl,
    ...TUNED,
    BATCH_SIZE: "500",
  };
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await applySchema(client);
    await createRuns(client, killRows);
    const metrics = join(folder, "killed.ndjson");
    await writeFile(metrics, killRows, ndjsonOf);
    const versions = join(folder, "versions.ndjson");
    await writeVersions(client, versions, versionRows);
    return await playKill({
      client,
      environment,
      imports: [
        { kind: "metrics", path: metrics, rows: killRows, countSql: COUNT_METRICS },
        { kind: "model-versions", path: versions, rows: versionRows, countSql: COUNT_VERSIONS },
      ],
    });
  } finally {
    await client.end();
  }
}

async function importAll(service: Service, path: string, rows: number): Promise<void> {
  const answer = await service.importFile(path, "kind=metrics");
  if (answer.written !== rows)
    throw new Error(`Of ${rows} rows ${answer.written} were written: ${JSON.stringify(answer)}`);
}

function killRow({ kind, rows, committed, answer }: KillResult): readonly string[] {
  return [`${kind}, killed when ${committed} were there, sent again`, String(rows), answer];
}

function killAcceptance({ kind, lost, twice, committed, rows }: KillResult): Acceptance {
  return {
    what: `${kind}: rows after kill -9 in the middle (${committed} of ${rows} there) and a retry`,
    value: `lost ${lost}, twice ${twice}`,
    goal: "lost 0, twice 0, killed in the middle",
    ok: lost === 0 && twice === 0 && committed < rows,
  };
}
