/** What windows leave behind on one arm, or on both, and how blocks of pairs begin without it. */
import { join } from "node:path";
import { rm } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { RunEvent } from "../../src/core/event.ts";
import type { Change } from "../../src/core/knob.ts";
import { openBench, type BenchOptions, type OpenBench } from "../../src/target/arms.ts";
import { presentValues } from "../../src/target/live.ts";
import { openSource, type Source } from "../../src/target/source.ts";
import { queryDatabase, withConnection, withDatabase } from "../../src/target/sql.ts";
import { fixtureTarget, neverAborted, temporaryHome } from "../integration/stores.ts";
import { workMem } from "./knobs.ts";
import { loadOf, loadResult } from "./load.ts";

const MB = 1024 ** 2;
const bundled = fixtureTarget();
const targetFile = fixtureTarget({ knobs: [...bundled.knobs, workMem] });
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
const moreMemory: Change = { kind: "set-knob", knob: workMem.id, from: 4 * MB, to: 64 * MB };
const window = {
  seed: 1,
  requestsPerSecond: 100,
  arrivals: "constant" as const,
  warmupMs: 100,
  windowMs: 400,
};

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
}, 60_000);

afterAll(async () => {
  await source.close();
  await rm(home, { recursive: true, force: true });
});

async function withBench(
  changes: Partial<BenchOptions>,
  use: (bench: OpenBench) => Promise<void>,
): Promise<void> {
  events = [];
  const { serviceUrl } = source;
  const bench = await openBench({
    targetFile,
    home,
    runId: "2031-01-01 Level",
    folder: join(home, "runs", "one"),
    source,
    baselineValues: await presentValues(targetFile, home, { serviceUrl, environment: process.env }),
    environment: process.env,
    note: async (event) => void events.push(event),
    signal: neverAborted,
    runLoad: loadOf(20),
    saturate: ({ baseUrl }) => {
      loadedUrl = baseUrl;
      return Promise.resolve(100);
    },
    ...changes,
  });
  try {
    await use(bench);
  } finally {
    await bench.close();
  }
  const databases = "SELECT datname FROM pg_database WHERE datname LIKE 'perfopt%'";
  expect(await queryDatabase(withDatabase(source.adminUrl, "postgres"), databases)).toEqual([]);
}

function cloneUrl(letter: string): string {
  return withDatabase(source.adminUrl, `perfopt_2031_01_01_level_${letter}`);
}

/** Rows of the table, and whether it has the index. */
async function stateOf(letter: string): Promise<readonly unknown[]> {
  const [row] = await queryDatabase(
    cloneUrl(letter),
    "SELECT count(*) AS rows, to_regclass('items_owner_title') IS NOT NULL AS indexed FROM items",
  );
  return [row?.["rows"], row?.["indexed"]];
}

/** So many that the table is another one. */
async function addRows(letter: string): Promise<void> {
  const sql =
    "INSERT INTO items SELECT g + 1e6, g, repeat('x', 200) FROM generate_series(1, 9000) g";
  await withConnection(cloneUrl(letter), (client) => client.query(sql));
}

async function workMemOf(bench: OpenBench, role: "incumbent" | "candidate"): Promise<unknown> {
  await bench.saturate(1, role);
  const page = await fetch(`${loadedUrl}/process`);
  return page.json();
}

/** The new database's statements are counted, too. */
async function expectCounted(bench: OpenBench): Promise<void> {
  for (const role of ["incumbent", "candidate"] as const) {
    const { load, metrics } = await bench.sample({ role, ...window });
    expect(load.errors).toBe(0);
    expect(metrics["db.statementsPerRequest"]).toBeGreaterThan(0.5);
  }
}

/** Processes, databases and folders so far. */
function made(): number {
  return events.filter(({ type }) => type === "resource-created").length;
}

test("what one arm's windows alone have written is no difference any more when pairs begin", async () => {
  await withBench({}, async (bench) => {
    await bench.setArm("incumbent", []);
    await bench.setArm("candidate", [index]);
    await addRows("b");
    // A search goes on with what it has.
    await bench.setArm("candidate", [index, moreMemory]);
    expect([await stateOf("a"), await stateOf("b")]).toEqual([
      [2000, false],
      [11_000, true],
    ]);
    await bench.setArm("incumbent", []);
    expect([await stateOf("a"), await stateOf("b")]).toEqual([
      [2000, false],
      [2000, true],
    ]);
    expect(await workMemOf(bench, "candidate")).toMatchObject({ workMem: "64MB" });
    expect(await workMemOf(bench, "incumbent")).toMatchObject({ workMem: "4MB" });
    await expectCounted(bench);
  });
}, 90_000);

test("where windows write in bulk, blocks of pairs begin with the database as it was, and each arm's changes", async () => {
  await withBench({ writesInBulk: true }, async (bench) => {
    await bench.setArm("incumbent", []);
    await bench.setArm("candidate", [index, moreMemory]);
    // Neither has more than the other.
    await addRows("a");
    await addRows("b");
    await bench.restartArms();
    expect([await stateOf("a"), await stateOf("b")]).toEqual([
      [2000, false],
      [2000, true],
    ]);
    expect(await workMemOf(bench, "candidate")).toMatchObject({ workMem: "64MB" });
    expect(await workMemOf(bench, "incumbent")).toMatchObject({ workMem: "4MB" });
    await expectCounted(bench);
  });
}, 90_000);

test("a task that was given up on costs both arms their processes, so that neither works on it in a later window", async () => {
  let failed = 1;
  const task = {
    name: "t",
    kind: "query",
    durationsMs: [1],
    records: 0,
    responseBytes: 0,
  } as const;
  const runLoad = () => Promise.resolve(loadResult({ tasks: [{ ...task, failed }] }));
  await withBench({ runLoad }, async (bench) => {
    const before = made();
    await bench.sample({ role: "incumbent", ...window, tasks: "all" });
    failed = 0;
    await bench.sample({ role: "candidate", ...window, tasks: "all" });
    await bench.sample({ role: "incumbent", ...window, tasks: "all" });
    expect(made()).toBe(before + 2);
    await bench.sample({ role: "candidate", ...window, tasks: "all" });
    expect(made()).toBe(before + 2);
  });
}, 90_000);
