import { existsSync } from "node:fs";
import { join } from "node:path";
import { rm } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { RunEvent } from "../../src/core/event.ts";
import type { Change } from "../../src/core/knob.ts";
import { openBench, type BenchOptions, type OpenBench } from "../../src/target/arms.ts";
import { startTicksOf } from "../../src/target/proc.ts";
import { openSource, type Source } from "../../src/target/source.ts";
import { queryDatabase, withConnection, withDatabase } from "../../src/target/sql.ts";
import { presentValues } from "../../src/target/live.ts";
import { fixtureTarget, neverAborted, temporaryHome } from "../integration/stores.ts";
import { semiSpace, workMem } from "./knobs.ts";
import { loadOf, loadResult } from "./load.ts";

const bundled = fixtureTarget();
const targetFile = fixtureTarget({
  service: {
    ...bundled.service,
    env: { ...bundled.service.env, NODE_OPTIONS: "--max-semi-space-size=8 --no-warnings" },
  },
  knobs: [...bundled.knobs, semiSpace, workMem],
});
const index: Change = {
  kind: "create-index",
  index: {
    schema: "public",
    table: "items",
    name: "items_owner_title",
    columns: [
      { name: "owner", descending: false },
      { name: "title", descending: false },
    ],
  },
};
const window = {
  seed: 1,
  requestsPerSecond: 100,
  arrivals: "constant" as const,
  warmupMs: 200,
  windowMs: 800,
};

const MB = 1024 ** 2;

let home: string;
let source: Source;
let events: RunEvent[] = [];
let loadedUrl = "";

beforeAll(async () => {
  home = await temporaryHome();
  source = await openSource({
    targetFile,
    home,
    scale: "tiny",
    seed: 1,
    environment: process.env,
    purpose: "bench",
    onProgress: () => {},
    signal: neverAborted,
  });
  // Of the service's role in the source alone: a clone does not get it by itself.
  await withConnection(source.serviceUrl, (client) =>
    client.query(`ALTER ROLE CURRENT_USER IN DATABASE fixture SET work_mem = '5MB'`),
  );
}, 60_000);

afterAll(async () => {
  await source.close();
  await rm(home, { recursive: true, force: true });
});

async function benchOf(changes: Partial<BenchOptions> = {}): Promise<OpenBench> {
  events = [];
  return openBench({
    targetFile,
    home,
    runId: "2031-01-01 Test",
    folder: join(home, "runs", "one"),
    source,
    baselineValues: await presentValues(targetFile, home, {
      serviceUrl: source.serviceUrl,
      environment: process.env,
    }),
    environment: process.env,
    note: async (event) => void events.push(event),
    signal: neverAborted,
    runLoad: (run) => {
      loadedUrl = run.baseUrl;
      return loadOf(60)(run);
    },
    saturate: async ({ baseUrl }) => {
      loadedUrl = baseUrl;
      return (await fetch(`${baseUrl}/ready`)).ok ? 321 : 0;
    },
    ...changes,
  });
}

function clones(): Promise<readonly unknown[]> {
  return queryDatabase(
    withDatabase(source.adminUrl, "postgres"),
    "SELECT datname FROM pg_database WHERE datname LIKE 'perfopt%' ORDER BY 1",
  );
}

function cloneUrl(letter: string): string {
  return withDatabase(source.adminUrl, `perfopt_2031_01_01_test_${letter}`);
}

/** Of each statistics object, whether ANALYZE has filled it. */
function filled(letter: string): Promise<readonly unknown[]> {
  const sql = "SELECT stxdndistinct IS NOT NULL AS filled FROM pg_statistic_ext_data";
  return queryDatabase(cloneUrl(letter), sql);
}

/** How often the table was analysed by a command. */
async function analyses(letter: string): Promise<number> {
  const sql = "SELECT analyze_count AS count FROM pg_stat_user_tables WHERE relname = 'items'";
  const [row] = await queryDatabase(cloneUrl(letter), sql);
  return Number(row?.["count"]);
}

/** Everything the journal was told of, and whether it was told that it is gone. */
function leftOver(): readonly string[] {
  const there = new Set<string>();
  for (const event of events) {
    if (event.type === "resource-creating") there.add(event.resource.id);
    if (event.type === "resource-removed") there.delete(event.resourceId);
  }
  return [...there];
}

async function processesAlive(): Promise<readonly number[]> {
  const alive: number[] = [];
  for (const event of events) {
    if (event.type !== "resource-created" || event.resource.kind !== "process") continue;
    if ((await startTicksOf(event.resource.pid)) === event.resource.startTicks)
      alive.push(event.resource.pid);
  }
  return alive;
}

describe("two arms", () => {
  let bench: OpenBench;
  beforeAll(async () => {
    bench = await benchOf();
  }, 60_000);
  afterAll(() => bench.close());

  test("each has its own database, both with the source's rows", async () => {
    expect(await clones()).toEqual([
      { datname: "perfopt_2031_01_01_test_a" },
      { datname: "perfopt_2031_01_01_test_b" },
    ]);
    const url = withDatabase(source.adminUrl, "perfopt_2031_01_01_test_b");
    expect(await queryDatabase(url, "SELECT count(*) AS rows FROM items")).toEqual([
      { rows: 2000 },
    ]);
  });

  test("a sample has what the service, PostgreSQL, Redis and /proc counted", async () => {
    await bench.setArm("incumbent", []);
    const { metrics, valid, server } = await bench.sample({ role: "incumbent", ...window });
    expect(valid).toBe(true);
    // A run's journal has no room for every statement of every window.
    expect(server).toBeUndefined();
    // One SELECT a request; the connection pool adds nothing.
    expect(metrics["db.statementsPerRequest"]).toBeCloseTo(1, 1);
    expect(metrics["db.queryMeanMs"]).toBeGreaterThan(0);
    expect(metrics["db.buffersPerRequest"]).toBeGreaterThan(1);
    expect(metrics["cache.hitRate"]).toBe(0);
    expect(metrics["pool.useRatio"]).toBeGreaterThanOrEqual(0);
    expect(metrics["pool.useRatio"]).toBeLessThanOrEqual(1);
    expect(metrics["pool.waitMs"]).toBeGreaterThanOrEqual(0);
    expect(metrics["service.memoryBytes"]).toBeGreaterThan(10 * 1024 ** 2);
    expect(metrics["service.cpuMsPerRequest"]).toBeGreaterThan(0);
    expect(metrics["db.cpuMsPerRequest"]).toBeGreaterThanOrEqual(0);
    expect(metrics["redis.usedBytes"]).toBeGreaterThan(0);
    expect(metrics["redis.evictionsPerSecond"]).toBe(0);
  });

  test("an index exists in its arm alone, makes fewer buffers of the same requests, and goes again", async () => {
    await bench.setArm("incumbent", []);
    await bench.setArm("candidate", [index]);
    const incumbent = await bench.sample({ role: "incumbent", ...window });
    const candidate = await bench.sample({ role: "candidate", ...window });
    const [before, after] = [incumbent, candidate].map(
      (each) => each.metrics["db.buffersPerRequest"] ?? 0,
    );
    expect(after).toBeLessThan((before ?? 0) / 2);
    await bench.setArm("candidate", []);
    const reverted = await bench.sample({ role: "candidate", ...window });
    expect(reverted.metrics["db.buffersPerRequest"]).toBeCloseTo(before ?? 0, 0);
  });

  test("knobs reach one arm only: the environment by a restart, Redis live", async () => {
    await bench.setArm("incumbent", []);
    const changes: Change[] = [
      { kind: "set-knob", knob: "cache-ttl", from: 0, to: 30_000 },
      { kind: "set-knob", knob: "redis-memory", from: 64 * 1024 ** 2, to: 32 * 1024 ** 2 },
    ];
    await bench.setArm("candidate", changes);
    const candidate = await bench.sample({ role: "candidate", ...window });
    const incumbent = await bench.sample({ role: "incumbent", ...window });
    // 40 different items in 60 requests.
    expect(candidate.metrics["cache.hitRate"]).toBeGreaterThan(0.2);
    expect(incumbent.metrics["cache.hitRate"]).toBe(0);
    const { "redis.memoryEfficiency": efficiency, "redis.usedBytes": usedBytes = 0 } =
      candidate.metrics;
    expect(efficiency).toBeCloseTo(usedBytes / (32 * 1024 ** 2));
    await bench.restartArms();
    const again = await bench.sample({ role: "candidate", ...window });
    expect(again.metrics["cache.hitRate"]).toBeGreaterThan(0.9);
  });

  test("flags of Node and settings of PostgreSQL reach one arm only, by a restart, and go again", async () => {
    const present = async (role: "incumbent" | "candidate") => {
      await bench.saturate(1, role);
      const page = await fetch(`${loadedUrl}/process`);
      const answer: unknown = await page.json();
      return answer;
    };
    const found = { nodeOptions: "--no-warnings --max-semi-space-size=8", workMem: "5MB" };
    await bench.setArm("incumbent", []);
    await bench.setArm("candidate", [
      { kind: "set-knob", knob: semiSpace.id, from: 8 * MB, to: 32 * MB },
      { kind: "set-knob", knob: workMem.id, from: 5 * MB, to: 64 * MB },
    ]);
    expect(await present("candidate")).toEqual({
      nodeOptions: "--no-warnings --max-semi-space-size=32",
      workMem: "64MB",
    });
    expect(await present("incumbent")).toEqual(found);
    await bench.setArm("candidate", [
      { kind: "set-knob", knob: semiSpace.id, from: 8 * MB, to: 0 },
    ]);
    expect(await present("candidate")).toEqual({ nodeOptions: "--no-warnings", workMem: "5MB" });
    await bench.setArm("candidate", []);
    expect(await present("candidate")).toEqual(found);
  });

  test("statistics are in their arm alone, filled, and go again; both tables are analysed alike", async () => {
    const before = [await analyses("a"), await analyses("b")];
    await bench.setArm("candidate", [
      {
        kind: "create-statistics",
        statistics: {
          schema: "public",
          table: "items",
          name: "s",
          kinds: [],
          columns: ["owner", "title"],
        },
      },
    ]);
    expect(await filled("a")).toEqual([]);
    expect(await filled("b")).toEqual([{ filled: true }]);
    // The counts of a session reach the view when it ends, or a little later.
    await expect
      .poll(async () => [await analyses("a"), await analyses("b")], { timeout: 20_000 })
      .toEqual(before.map((count) => count + 1));
    await bench.setArm("candidate", []);
    expect(await filled("b")).toEqual([]);
  });

  test("what an earlier candidate cached does not help the next one", async () => {
    await bench.setArm("incumbent", []);
    await bench.setArm("candidate", [{ kind: "set-knob", knob: "cache-ttl", from: 0, to: 60_000 }]);
    await bench.sample({ role: "candidate", ...window });
    await bench.setArm("candidate", [{ kind: "set-knob", knob: "cache-ttl", from: 0, to: 50_000 }]);
    await bench.sample({ role: "candidate", ...window });
    // Each of the 40 items was missed once since the process began.
    const page = await fetch(`${loadedUrl}/metrics`);
    expect(await page.text()).toMatch(/^cache_misses_total\{tier="l2"\} 40$/m);
  });

  test("an observation shows statements, Redis, a read-only database and a planner's server of its version", async () => {
    await bench.setArm("incumbent", [index]);
    const view = await bench.observe(window);
    const items = view.statements.find((statement) => statement.sql.includes("FROM items"));
    expect(items?.calls).toBe(60);
    expect(view.statements.filter((statement) => statement.sql.includes("pg_stat"))).toEqual([]);
    expect(view.redis?.maxmemoryBytes).toBe(64 * 1024 ** 2);
    expect(view.redis?.policy).toBe("allkeys-lru");
    expect(view.values["pool-max"]).toBe(5);
    expect(view.values[workMem.id]).toBe(5 * MB);
    // Also what plans are made with, though it is read with other rights.
    expect(await view.database.query("SHOW work_mem")).toEqual([{ work_mem: "5MB" }]);
    await expect(view.database.query("DELETE FROM items")).rejects.toThrow(/read-only/);
    const indexes = "SELECT indexname FROM pg_indexes WHERE tablename = 'items' ORDER BY 1";
    const seen = await view.database.together(async (query) => [
      await query("SELECT current_setting('transaction_isolation') AS isolation"),
      await query(indexes),
    ]);
    expect(seen).toEqual([
      [{ isolation: "repeatable read" }],
      [{ indexname: "items_owner_title" }, { indexname: "items_pkey" }],
    ]);
    const [version] = await view.database.query("SHOW server_version");
    const planner = await view.database.withPlanner((server) => Promise.resolve(server.version));
    expect(String(version?.["server_version"])).toBe(planner);
    await expect(
      view.database.withPlanner(() => Promise.reject(new Error("tuner failed"))),
    ).rejects.toThrow("tuner failed");
    expect(await clones()).toHaveLength(2);
  });

  test("values that the service refuses are an error with its own words, and the arm works again after it", async () => {
    const change: Change = { kind: "set-knob", knob: "pool-max", from: 5, to: 0 };
    const failure = await bench.setArm("candidate", [change]).catch((error: unknown) => error);
    expect(String(failure)).toMatch(/ended with exit code 3[\s\S]*POOL_MAX is 0/);
    expect(String(failure)).toContain("postgres://***@");
    await bench.setArm("candidate", []);
    expect((await bench.sample({ role: "candidate", ...window })).load.errors).toBe(0);
  });

  test("a knob outside its domain or unknown is refused", async () => {
    const set = (knob: string, to: number) =>
      bench.setArm("candidate", [{ kind: "set-knob", knob, from: 5, to }]);
    await expect(set("pool-max", 51)).rejects.toThrow(/51 is outside 0 to 50/);
    await expect(set("no-such", 5)).rejects.toThrow(/no knob no-such/);
    await bench.setArm("candidate", []);
  });

  test("a closed loop gets the incumbent's URL", async () => {
    expect(await bench.saturate(1)).toBe(321);
  });
}, 120_000);

describe("when things fail", () => {
  test("a service that dies mid-window is an error with its end and log, and closing removes everything", async () => {
    const bench = await benchOf({
      runLoad: async (run) => {
        await fetch(`${run.baseUrl}/die`).catch(() => {});
        await new Promise((_, reject) => {
          run.signal.addEventListener("abort", () => reject(new Error("stopped")), { once: true });
        });
        return loadResult();
      },
    });
    await expect(bench.sample({ role: "incumbent", ...window })).rejects.toThrow(
      /ended with signal SIGKILL while it was measured/,
    );
    await bench.close();
    await bench.close();
    expect(leftOver()).toEqual([]);
    expect(await processesAlive()).toEqual([]);
    expect(await clones()).toEqual([]);
    // The message names a log, so the logs stay.
    expect(existsSync(join(home, "runs", "one"))).toBe(true);
  }, 60_000);

  test("an interrupt ends a window, and closing still removes everything", async () => {
    const controller = new AbortController();
    const bench = await benchOf({ signal: controller.signal, runLoad: loadOf(1_000) });
    const sampling = bench.sample({ role: "incumbent", ...window, windowMs: 20_000 });
    setTimeout(() => controller.abort(), 300);
    await expect(sampling).rejects.toThrow();
    await bench.close();
    expect(leftOver()).toEqual([]);
    expect(await processesAlive()).toEqual([]);
  }, 60_000);

  test("a source in use cannot be copied: the error names who uses it, and nothing is left", async () => {
    await withConnection(source.adminUrl, async () => {
      await expect(benchOf()).rejects.toThrow(/others are connected to it: pid \d+ \(perfopt\)/);
    });
    expect(leftOver()).toEqual([]);
    expect(await clones()).toEqual([]);
  }, 60_000);

  test("Redis missing: says what to install", async () => {
    await expect(
      benchOf({ environment: { ...process.env, PATH: "/nowhere" } }),
    ).rejects.toMatchObject({
      code: "cannot-measure",
      hint: expect.stringContaining("apt-get install redis-server"),
    });
    expect(leftOver()).toEqual([]);
  }, 60_000);
});
