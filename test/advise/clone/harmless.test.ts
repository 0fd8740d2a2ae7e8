/** Nothing that a database or a snapshot file defines runs on the clone's server but what can only compute. */
import { existsSync } from "node:fs";
import { mkdtemp, chmod, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openClone, type Clone } from "../../../src/advise/indexes/clone/open.ts";
import type { Snapshot } from "../../../src/advise/indexes/snapshot/snapshot.ts";
import type { Explained } from "../../../src/advise/indexes/what-if.ts";
import { startSource, type TestSource } from "./source.ts";

let source: TestSource;
let snapshot: Snapshot;
let folder = "";
let clones = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "perfopt harmless "));
  await chmod(folder, 0o777);
  const program = `COPY (SELECT 1) TO PROGRAM ''cat > "${join(folder, "run")}"''`;
  source = await startSource([
    "CREATE TABLE t (id int PRIMARY KEY, tenant int NOT NULL, email text NOT NULL)",
    "INSERT INTO t SELECT g, g % 40, 'm' || g || '@x' FROM generate_series(1, 20000) g",
    `CREATE FUNCTION evil(a int) RETURNS int LANGUAGE plpgsql VOLATILE AS 'BEGIN ${program}; RETURN a; END'`,
    "CREATE FUNCTION nice(a int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN evil(a); END'",
    "CREATE FUNCTION quiet(a int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT evil(a)'",
    "CREATE FUNCTION tidy(a text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT lower(trim(a))'",
    "CREATE FUNCTION tenant() RETURNS int LANGUAGE plpgsql STABLE AS 'DECLARE x text; BEGIN x := current_setting(''app.tenant'', true); IF x = '''' THEN RETURN 1; END IF; RETURN coalesce(x::int, 7); END'",
    "CREATE INDEX t_tidy ON t (tidy(email))",
  ]);
  snapshot = await source.snapshot();
}, 60_000);
afterAll(async () => {
  await source.stop();
  await rm(folder, { recursive: true, force: true });
});

async function cloneOf(changed: Partial<Snapshot> = {}): Promise<Clone> {
  clones += 1;
  return openClone(source.server, { ...snapshot, ...changed }, { name: `harmless_${clones}` });
}

function plan(clone: Clone, sql: string): Promise<Explained> {
  return clone.plan({ id: "Q", sql, valuesFrom: "statement" }, { with: [] });
}

describe("functions", () => {
  test("that may do more than compute are never run, and what needs their value is not planned", async () => {
    const clone = await cloneOf();
    for (const name of ["nice", "quiet"]) {
      const planned = await plan(clone, `SELECT * FROM t WHERE id = ${name}(5)`);
      expect(planned).toMatchObject({
        kind: "failed",
        because: expect.stringContaining("perfopt does not run this function"),
      });
    }
    expect(existsSync(join(folder, "run"))).toBe(false);
    await source.query("SELECT nice(5)");
    expect(existsSync(join(folder, "run"))).toBe(true);
    expect(clone.caveats.join("\n")).toMatch(/function public\.nice is not run here/);
    expect(clone.caveats.join("\n")).not.toMatch(/public\.evil|public\.tidy|public\.tenant/);
    await clone.close();
  });

  test("that compute are as they were: in conditions, and in indexes", async () => {
    const clone = await cloneOf();
    const tidied = await plan(clone, "SELECT id FROM t WHERE tidy(email) = 'm7@x'");
    expect(tidied.kind === "plan" && tidied.plan.indexes).toEqual(["t_tidy"]);
    const own = await plan(clone, "SELECT id FROM t WHERE tenant = tenant()");
    expect(own.kind === "plan" && own.plan.root["Plan Rows"]).toBe(500);
    await clone.close();
  });
});

describe("a snapshot file that was tampered with", () => {
  const attack = "COPY (SELECT 1) TO PROGRAM 'true'";
  test.each<[what: string, changed: () => Partial<Snapshot>, caveat: RegExp]>([
    [
      "a function's text that is something else",
      () => ({ functions: [attack] }),
      /CopyStmt, which makes no part of a schema/,
    ],
    [
      "two statements where one belongs",
      () => ({ functions: [`${snapshot.functions[0]}; ${attack}`] }),
      /more than one statement/,
    ],
    [
      "an index's definition with a second statement",
      () => ({
        indexes: snapshot.indexes.map((index) =>
          index.constraint ? index : { ...index, definition: `${index.definition}; ${attack}` },
        ),
      }),
      /index public\.t_tidy is not modelled: it is more than one statement/,
    ],
    [
      "a domain whose check would be run",
      () => ({
        types: [{ kind: "domain", name: "public.d", base: "int CHECK (VALUE > 0)" }],
      }),
      /domain has constraints/,
    ],
    [
      "a view that is a COPY",
      () => ({ views: [{ schema: "public", name: "v", definition: `SELECT 1; ${attack}` }] }),
      /more than one statement/,
    ],
  ])("%s", async (_, changed, caveat) => {
    const clone = await cloneOf(changed());
    expect(clone.caveats.join("\n")).toMatch(caveat);
    await clone.close();
  });

  test("settings that no plan depends on are not set", async () => {
    const clone = await cloneOf({
      settings: [
        ...snapshot.settings,
        { name: "session_preload_libraries", value: "evil", unit: null },
      ],
    });
    expect(clone.caveats.join("\n")).not.toMatch(/preload/);
    await clone.close();
  });
});
