import { randomUUID } from "node:crypto";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join, resolve } from "node:path";
import type { Client } from "pg";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Change, Knob, KnobDomain, KnobValue } from "../../src/core/knob.ts";
import { readApplied, writeApplied } from "../../src/target/applied.ts";
import { openTarget } from "../../src/target/live.ts";
import { alterRoleSql } from "../../src/core/knob-text.ts";
import { readServiceSettings } from "../../src/target/postgres-settings.ts";
import {
  connect,
  queryDatabase,
  rowsOf,
  withConnection,
  withDatabase,
} from "../../src/target/sql.ts";
import { fixtureTarget, neverAborted, startStores, type Stores } from "../integration/stores.ts";
import { postgresKnob, workMem } from "./knobs.ts";

const MB = 1024 ** 2;
const ROLE = 'odd "role"';
const DATABASE = "odd 'database'";
const place = { role: ROLE, database: DATABASE, parameter: "work_mem" };

let stores: Stores;
let serviceUrl: string;

beforeAll(async () => {
  stores = await startStores({ work_mem: "5MB" });
  await withConnection(stores.postgresUrl, async (client) => {
    await client.query(`CREATE ROLE "odd ""role""" LOGIN PASSWORD 'pass'`);
    await client.query(`CREATE DATABASE "odd 'database'" OWNER "odd ""role"""`);
  });
  const url = new URL(withDatabase(stores.postgresUrl, DATABASE));
  url.username = encodeURIComponent(ROLE);
  url.password = "pass";
  serviceUrl = url.href;
}, 60_000);
afterAll(() => stores.stop());

beforeEach(() => asAdmin(`ALTER ROLE "odd ""role""" IN DATABASE "odd 'database'" RESET ALL`));

function asAdmin(sql: string) {
  return withConnection(stores.postgresUrl, (client) => client.query(sql));
}

/** `admin`: whose URL changes are made with; an ordinary role's by default, as where the database is the user's own. */
async function targetOf(
  home = freshHome(),
  knobs: readonly Knob[] = [workMem],
  admin = serviceUrl,
) {
  return openTarget({
    targetFile: fixtureTarget({ knobs }),
    home,
    source: { id: "one", adminUrl: admin, serviceUrl, server: undefined },
    environment: {},
    signal: neverAborted,
  });
}

function freshHome(): string {
  return join(stores.home, randomUUID());
}

function change(from: number, to: number): Change {
  return { kind: "set-knob", knob: workMem.id, from: from * MB, to: to * MB };
}

async function entries(): Promise<readonly unknown[]> {
  const rows = await queryDatabase(
    stores.postgresUrl,
    "SELECT unnest(setconfig) AS entry FROM pg_db_role_setting ORDER BY 1",
  );
  return rows.map((row) => row["entry"]);
}

/** In a session that has nothing of perfopt's own. */
function inForce(parameter = "work_mem"): Promise<unknown> {
  const ask = async (client: Client) =>
    (await rowsOf(client, "SELECT current_setting($1) AS value", [parameter]))[0]?.["value"];
  return withConnection(serviceUrl, ask, { plainSession: true });
}

describe("a setting of the service's role", () => {
  test("is set by the ordinary role itself, proven on a new session, and goes without a trace; both twice without harm", async () => {
    const target = await targetOf();
    expect(target.baselineValues[workMem.id]).toBe(5 * MB);
    expect(await target.revert(change(5, 9))).toContain("nothing to undo");
    const detail = await target.apply(change(5, 9));
    expect(detail).toBe(
      `ALTER ROLE "odd ""role""" IN DATABASE "odd 'database'" SET "work_mem" TO '9MB'; in force in a new session of the service; undone by ALTER ROLE "odd ""role""" IN DATABASE "odd 'database'" RESET "work_mem"`,
    );
    expect(await target.apply(change(5, 9))).toBe(detail);
    expect(await inForce()).toBe("9MB");
    expect((await targetOf()).baselineValues[workMem.id]).toBe(9 * MB);
    expect(await target.revert(change(5, 9))).toContain("what it had before");
    expect(await entries()).toEqual([]);
    expect(await target.revert(change(5, 9))).toContain("nothing to undo");
    expect(await inForce()).toBe("5MB");
  });

  test("an entry that was there comes back to the letter", async () => {
    await asAdmin(alterRoleSql(place, "6144"));
    const target = await targetOf();
    expect(target.baselineValues[workMem.id]).toBe(6 * MB);
    await target.apply(change(6, 9));
    await target.apply(change(9, 12));
    await target.revert(change(9, 12));
    expect(await inForce()).toBe("9MB");
    await target.revert(change(6, 9));
    expect(await entries()).toEqual(["work_mem=6144"]);
  });

  test("several changes, one of them back to the first value, are undone in reverse without a trace", async () => {
    const target = await targetOf();
    const changes = [change(5, 9), change(9, 5), change(5, 7), change(7, 8)];
    for (const each of changes) await target.apply(each);
    expect(await inForce()).toBe("8MB");
    for (const each of changes.toReversed()) {
      await target.revert(each);
      await target.revert(each);
    }
    expect(await entries()).toEqual([]);
  });

  test("what somebody else has set since is left alone", async () => {
    const home = freshHome();
    const target = await targetOf(home);
    await target.apply(change(5, 9));
    await asAdmin(alterRoleSql(place, "77MB"));
    expect(await target.revert(change(5, 9))).toContain("not perfopt's doing");
    expect(await entries()).toEqual(["work_mem=77MB"]);
    expect((await readApplied(home, "fixture")).settings).toEqual([]);
  });

  test("a role's own setting that hides nothing of the database's is not touched", async () => {
    await asAdmin(`ALTER ROLE "odd ""role""" SET work_mem = '7MB'`);
    try {
      const target = await targetOf();
      expect(target.baselineValues[workMem.id]).toBe(7 * MB);
      await target.apply(change(7, 9));
      await target.revert(change(7, 9));
      expect(await entries()).toEqual(["work_mem=7MB"]);
    } finally {
      await asAdmin(`ALTER ROLE "odd ""role""" RESET work_mem`);
    }
  });

  test("one that the connection's own options hide is refused, and taken back", async () => {
    const hiding = new URL(serviceUrl);
    hiding.searchParams.set("options", "-c work_mem=3MB");
    const target = await openTarget({
      targetFile: fixtureTarget({ knobs: [workMem] }),
      home: freshHome(),
      source: { id: "one", adminUrl: serviceUrl, serviceUrl: hiding.href, server: undefined },
      environment: {},
      signal: neverAborted,
    });
    await expect(target.apply(change(3, 9))).rejects.toMatchObject({
      message: expect.stringContaining("work_mem = 3MB (source: client)"),
      hint: expect.stringContaining("connection URL"),
    });
    expect(await entries()).toEqual([]);
  });
});

describe("what the catalog says of a setting decides", () => {
  test.each<[string, string, KnobDomain, KnobValue, KnobValue, string]>([
    [
      "pages of 8 kB",
      "effective_cache_size",
      { kind: "bytes", min: 0, max: 2 ** 40 },
      4 * 1024 * MB,
      128 * MB,
      "128MB",
    ],
    ["a fraction", "random_page_cost", { kind: "number", min: 1, max: 10 }, 4, 1.3, "1.3"],
    ["a count", "max_parallel_workers_per_gather", { kind: "int", min: 0, max: 16 }, 2, 0, "0"],
    ["yes or no", "enable_sort", { kind: "bool" }, true, false, "off"],
    [
      "a word",
      "plan_cache_mode",
      { kind: "enum", values: ["auto", "force_custom_plan"] },
      "auto",
      "force_custom_plan",
      "force_custom_plan",
    ],
    [
      "a time",
      "statement_timeout",
      { kind: "duration", min: 0, max: 60_000 },
      0,
      1_500.7,
      "1501ms",
    ],
  ])("%s", async (_, parameter, domain, found, wanted, shown) => {
    const knob = postgresKnob(parameter, { domain });
    const target = await targetOf(freshHome(), [knob]);
    expect(target.baselineValues).toEqual({ [knob.id]: found });
    const set: Change = { kind: "set-knob", knob: knob.id, from: found, to: wanted };
    await target.apply(set);
    expect(await inForce(parameter)).toBe(shown);
    await target.revert(set);
    expect(await entries()).toEqual([]);
  });

  test.each([
    [
      "no_such_setting",
      "bytes",
      /knob no-such-setting: PostgreSQL \d+.* has no setting no_such_setting/,
    ],
    [
      "log_min_duration_statement",
      "duration",
      /not a session's to set \(its context is superuser\)/,
    ],
    ["shared_buffers", "bytes", /its context is postmaster/],
    ["work_mem", "int", /of type integer, in kB, which the type int does not say/],
    ["statement_timeout", "bytes", /in ms/],
  ] as const)("%s as %s is refused", async (parameter, kind, words) => {
    const knob = postgresKnob(parameter, { domain: { kind, min: 0, max: 100 } });
    await expect(readServiceSettings(serviceUrl, [knob])).rejects.toMatchObject({
      code: "bad-input",
      message: expect.stringMatching(words),
    });
  });

  test("a value outside PostgreSQL's bounds is refused before anything is changed", async () => {
    const knob = postgresKnob("random_page_cost", { domain: { kind: "number", min: -5, max: 9 } });
    const target = await targetOf(freshHome(), [knob]);
    const set: Change = { kind: "set-knob", knob: knob.id, from: 4, to: -1 };
    await expect(target.apply(set)).rejects.toThrow(/does not take it: -1 is outside/);
    expect(await entries()).toEqual([]);
    expect(await target.revert(set)).toContain("as it was before");
  });
});

describe("after a kill", () => {
  /** The steps of a change: recorded; made; and each of them again for the undoing. */
  test.each([
    ["before the record", undefined, undefined, "nothing to undo"],
    ["between the record and the change", [], "6MB", "as it was before"],
    ["right after the change", [], "9MB", "what it had before"],
    ["after the undoing, before it is noted", [], "6MB", "as it was before"],
  ])("%s", async (_, written, entry, words) => {
    const home = freshHome();
    await asAdmin(alterRoleSql(place, "6MB"));
    if (written !== undefined) {
      const { role, database, parameter } = place;
      const record = { source: "one", role, database, parameter, before: "6MB", from: 6 * MB };
      await writeApplied(home, "fixture", {
        values: {},
        indexes: [],
        statistics: [],
        settings: [{ ...record, written: ["9MB"] }],
      });
      await asAdmin(alterRoleSql(place, entry));
    }
    const target = await targetOf(home);
    expect(await target.revert(change(6, 9))).toContain(words);
    expect(await entries()).toEqual(["work_mem=6MB"]);
    expect(await target.revert(change(6, 9))).toContain("nothing to undo");
  });

  test("a statement that the killed perfopt left waiting does not take effect after the undoing", async () => {
    const home = freshHome();
    await asAdmin(alterRoleSql(place, "6MB"));
    const holder = await connect(stores.postgresUrl);
    try {
      await holder.query("BEGIN");
      await holder.query(alterRoleSql({ ...place, parameter: "jit" }, "off"));
      const script = resolve(import.meta.dirname, "fixture-apply.ts");
      const args = ["--import", "tsx", script, serviceUrl, home, JSON.stringify(change(6, 9))];
      const child = spawn(process.execPath, args, { stdio: "inherit" });
      const exit = once(child, "exit");
      await until(async () => (await waiting()) === 1);
      child.kill("SIGKILL");
      await exit;
      const undoing = (await targetOf(home)).revert(change(6, 9));
      await until(async () => (await waiting()) === 0);
      await holder.query("ROLLBACK");
      expect(await undoing).toContain("as it was before");
      expect(await entries()).toEqual(["work_mem=6MB"]);
    } finally {
      await holder.end();
    }
  });
});

async function waiting(): Promise<number> {
  const rows = await queryDatabase(
    stores.postgresUrl,
    "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'ALTER ROLE%'",
  );
  return rows.length;
}

async function until(what: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 30_000;
  while (!(await what())) {
    if (performance.now() > deadline) throw new Error("it did not happen");
    await new Promise((done) => setTimeout(done, 30));
  }
}
