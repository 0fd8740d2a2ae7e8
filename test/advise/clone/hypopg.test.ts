import { describe, expect, it } from "vitest";
import { PerfoptError } from "../../../src/core/errors.ts";
import type { PlannerConnection } from "../../../src/core/planner.ts";
import type { Row } from "../../../src/core/workload.ts";
import { openHypopg } from "../../../src/advise/indexes/clone/hypopg.ts";

/** A session of a server with HypoPG that notes what it was asked; the extension itself is tried by bench/planner-clone. */
function session(version: string | undefined): { connection: PlannerConnection; asked: string[] } {
  const asked: string[] = [];
  const plan: Row = {
    "QUERY PLAN": JSON.stringify([
      {
        Plan: {
          "Node Type": "Index Scan",
          "Index Name": "<13>btree_t_a",
          "Total Cost": 4.2,
          "Plan Rows": 70,
        },
      },
    ]),
  };
  return {
    asked,
    connection: {
      query: (sql, parameters = []) => {
        asked.push([sql, ...parameters].join(" <- "));
        if (sql.includes("pg_extension")) {
          return Promise.resolve(version === undefined ? [] : [{ version, schema: "public" }]);
        }
        return Promise.resolve([{ indexrelid: 13, bytes: 8_192, name: "<13>btree_t_a" }]);
      },
      script: (sql) => {
        asked.push(sql);
        return Promise.resolve(sql.includes("EXPLAIN") ? [[plan]] : [[]]);
      },
      close: () => Promise.resolve(),
    },
  };
}

const index = { schema: "public", table: "t", name: "mine", columns: [{ name: "a" }] } as const;
const statement = { id: "q", sql: "SELECT * FROM t WHERE a = 1", valuesFrom: "statement" } as const;

describe("HypoPG", () => {
  it("is asked for in vain where it is not installed", async () => {
    const opening = openHypopg(session(undefined).connection, { serverVersion: 150_018 });
    await expect(opening).rejects.toThrow(PerfoptError);
  });

  it("writes nothing in the user's database, and reads statements as their parser did", async () => {
    const { connection, asked } = session("1.4");
    await openHypopg(connection, { serverVersion: 150_018 });
    expect(asked).toContain("SET default_transaction_read_only = on");
    expect(asked).toContain("SET standard_conforming_strings = on");
  });

  it("makes a set in its session, and gives plans with the names that were asked for", async () => {
    const { connection, asked } = session("1.3.1");
    const hypopg = await openHypopg(connection, { serverVersion: 150_018 });
    expect(await hypopg.add(index)).toEqual({
      kind: "added",
      bytes: 8_192,
      rows: 70,
      height: undefined,
    });
    const explained = await hypopg.plan(statement, { with: ["mine"] });
    expect(explained).toMatchObject({ kind: "plan", plan: { cost: 4.2, indexes: ["mine"] } });
    const before = asked.length;
    await hypopg.plan(statement, { with: ["mine"] });
    // The set is still there: one EXPLAIN and nothing else.
    expect(asked.length).toBe(before + 1);
    expect(hypopg.counts).toEqual({ explains: 2, hypotheticals: 1 });
  });

  it("refuses what it has not, with the reason", async () => {
    const { connection } = session("1.3.1");
    const hypopg = await openHypopg(connection, { serverVersion: 150_018 });
    for (const method of ["gin", "gist"] as const) {
      expect(await hypopg.add({ ...index, name: method, method })).toEqual({
        kind: "refused",
        because: `HypoPG has no hypothetical ${method} indexes`,
      });
    }
    expect(await hypopg.add({ ...index, name: "partial", where: "a > 1" })).toMatchObject({
      because: expect.stringContaining("crash"),
    });
    expect(await hypopg.plan(statement, { with: [], without: ["public.t_pkey"] })).toMatchObject({
      because: expect.stringContaining("1.4"),
    });
    expect(await hypopg.plan({ ...statement, sql: "COMMIT" }, { with: [] })).toMatchObject({
      kind: "failed",
    });
  });

  it("hides existing indexes where it can", async () => {
    const { connection, asked } = session("1.4.1");
    const hypopg = await openHypopg(connection, { serverVersion: 150_018, partial: true });
    expect(await hypopg.add({ ...index, where: "a > 1" })).toMatchObject({ kind: "added" });
    await hypopg.plan(statement, { with: [], without: ["public.t_pkey"] });
    expect(
      asked.some((sql) => sql.includes(`hypopg_hide_index('"public"."t_pkey"'::regclass)`)),
    ).toBe(true);
  });
});
