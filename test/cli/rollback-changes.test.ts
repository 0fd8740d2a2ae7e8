/** Rollback after a kill at each step of the journal, of the changes that live in the database beside indexes. */
import { join } from "node:path";
import { mkdir, writeFile } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { contextOf } from "../../src/cli/context.ts";
import { main } from "../../src/cli/main.ts";
import type { RunEvent } from "../../src/core/event.ts";
import type { Change } from "../../src/core/knob.ts";
import { openJournal } from "../../src/journal/journal.ts";
import { registerRun } from "../../src/journal/runs.ts";
import { loadTarget } from "../../src/profiles/target.ts";
import { openTarget } from "../../src/target/live.ts";
import { openSource } from "../../src/target/source.ts";
import { queryDatabase, withConnection, withDatabase } from "../../src/target/sql.ts";
import { neverAborted, startStores, type Stores } from "../integration/stores.ts";

const KB = 1024;
const setting: Change = { kind: "set-knob", knob: "work-mem", from: 6_144 * KB, to: 9_216 * KB };
const statistics: Change = {
  kind: "create-statistics",
  statistics: {
    schema: "public",
    table: "runs",
    name: "perfopt_runs_status_stage_stats",
    kinds: ["ndistinct"],
    columns: ["status", "stage"],
  },
};
const changes = [setting, statistics];

let stores: Stores;
let url: string;

beforeAll(async () => {
  stores = await startStores();
  await withConnection(stores.postgresUrl, async (client) => {
    await client.query("CREATE ROLE app LOGIN PASSWORD 'pass'");
    await client.query("CREATE DATABASE shop OWNER app");
    await client.query("ALTER ROLE app IN DATABASE shop SET work_mem = '6MB'");
  });
  const own = new URL(withDatabase(stores.postgresUrl, "shop"));
  own.username = "app";
  own.password = "pass";
  url = own.href;
  await withConnection(url, (client) =>
    client.query(
      "CREATE TABLE runs AS SELECT g % 3 AS status, g % 3 AS stage FROM generate_series(1, 90) g",
    ),
  );
}, 60_000);
afterAll(() => stores.stop());

const target = () => `
name: shop
title: Shop
description: for tests
service: { start: node server.js, ready: /ready, env: { PORT: "\${port}" } }
postgres: { url: ${JSON.stringify(url)} }
knobs:
  work-mem: { title: Work, type: bytes, min: 64kB, max: 1GB, default: 4MB, postgres: work_mem }
workloads: { w: { requests: [{ name: a, weight: 1, path: / }] } }
`;

async function found() {
  const entries = await queryDatabase(
    url,
    "SELECT unnest(setconfig) AS entry FROM pg_db_role_setting",
  );
  const objects = await queryDatabase(url, "SELECT stxname AS name FROM pg_statistic_ext");
  return {
    settings: entries.map((row) => row["entry"]),
    statistics: objects.map((row) => row["name"]),
  };
}

interface Home {
  readonly folder: string;
  readonly path: string;
  /** In this process: nothing has to be started. */
  readonly perfopt: (...args: readonly string[]) => Promise<{ code: number; out: string }>;
}

async function openHome(name: string): Promise<Home> {
  const folder = join(stores.home, name);
  await mkdir(folder);
  await writeFile(join(folder, "target.yaml"), target());
  const path = join(folder, "home");
  const perfopt = async (...args: readonly string[]) => {
    const printed = { out: "" };
    const out = (text: string) => void (printed.out += text);
    const env = { ...process.env, PERFOPT_HOME: path };
    const context = { ...contextOf(args), home: path, env, directory: folder, out, err: out };
    return { code: await main(args, context), ...printed };
  };
  return { folder, path, perfopt };
}

/** What a run does with its changes, up to a moment, with its journal; then it is gone. */
async function killedRun({ folder, path }: Home, until: RunEvent["type"], made: boolean) {
  const targetPath = join(folder, "target.yaml");
  const journalPath = join(folder, "run.jsonl");
  const targetFile = await loadTarget(targetPath, { env: {} });
  const common = { targetFile, home: path, environment: process.env, signal: neverAborted };
  const source = await openSource({
    ...common,
    scale: "",
    seed: 1,
    purpose: "bench",
    onProgress: () => {},
  });
  const live = await openTarget({ ...common, source });
  await registerRun(path, {
    id: "one",
    startedAt: new Date().toISOString(),
    persona: "test",
    target: "shop",
    targetPath,
    scale: undefined,
    seed: 1,
    journalPath,
  });
  const journal = await openJournal(journalPath);
  const steps = [
    ...changes.flatMap((change, index) => stepsOf(change, `change-${index}`, "apply")),
    ...(until === "change-reverting"
      ? changes
          .toReversed()
          .flatMap((change, index) => stepsOf(change, `change-${1 - index}`, "revert"))
      : []),
  ];
  // The last of the events counts: of the second change, or of the first one's undoing.
  const end = steps.findLastIndex((step) => step.event.type === until);
  for (const [index, { event, change, how }] of steps.slice(0, end + 1).entries()) {
    await journal.append(event);
    if (how !== undefined && (index < end || made)) await live[how](change);
  }
  await journal.close();
}

interface Step {
  readonly event: RunEvent;
  readonly change: Change;
  /** What is done right after the event is on disk. */
  readonly how: "apply" | "revert" | undefined;
}

function stepsOf(change: Change, changeId: string, how: "apply" | "revert"): readonly Step[] {
  return how === "apply"
    ? [
        { event: { type: "change-applying", changeId, change }, change, how },
        { event: { type: "change-applied", changeId, detail: "" }, change, how: undefined },
      ]
    : [
        { event: { type: "change-reverting", changeId }, change, how },
        { event: { type: "change-reverted", changeId, detail: "" }, change, how: undefined },
      ];
}

test.each([
  ["change-applying", false],
  ["change-applying", true],
  ["change-applied", true],
  ["change-reverting", false],
  ["change-reverting", true],
] as const)(
  "killed after %s, its effect made: %s",
  async (until, made) => {
    const home = await openHome(`${until} ${made}`);
    const before = await found();
    await killedRun(home, until, made);
    if (until === "change-applied")
      expect(await found()).toEqual({
        settings: ["work_mem=9MB"],
        statistics: ["perfopt_runs_status_stage_stats"],
      });

    const status = await home.perfopt("status");
    expect(status.out).toContain("knob work-mem=9437184");
    if (until !== "change-reverting")
      expect(status.out).toContain("statistics public.perfopt_runs_status_stage_stats");
    expect(status.out).toContain("did not end: undo what it left with `perfopt rollback one`");

    const undone = await home.perfopt("rollback");
    expect(undone.code).toBe(0);
    expect(undone.out).toContain("undone: knob work-mem=9437184");
    expect(await found()).toEqual(before);
    expect(before.settings).toEqual(["work_mem=6MB"]);

    const twice = await home.perfopt("rollback");
    expect(twice.out).toContain("nothing was applied and nothing was left behind");
    expect((await home.perfopt("status")).out).toContain("Nothing is applied; nothing is pending.");
  },
  60_000,
);
