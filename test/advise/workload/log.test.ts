/** Real logs of PostgreSQL 12, 15 and 18, written by one and the same session of a small shop. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as fc from "../../properties.ts";
import { describe, expect, test } from "vitest";
import type { IndexWorkload } from "../../../src/advise/indexes/statement.ts";
import { readMessage } from "../../../src/advise/indexes/workload/log-message.ts";
import { logFormats } from "../../../src/advise/indexes/workload/log-entries.ts";
import type { LogFormat } from "../../../src/advise/indexes/workload/log-entries.ts";
import { workloadOfLog } from "../../../src/advise/indexes/workload/log.ts";
import { detectSource, workloadOfLines } from "../../../src/advise/indexes/workload/source.ts";

const fixtures = join(import.meta.dirname, "fixtures");
const linesOf = (name: string): string[] => readFileSync(join(fixtures, name), "utf8").split("\n");

const ofText = (text: string, format: LogFormat = "stderr"): Promise<IndexWorkload> =>
  workloadOfLog(text.split("\n"), "pg.log", { format });

const byStatus = (status: string): string =>
  `x LOG:  duration: 2 ms  execute s: SELECT * FROM a WHERE s = $1\nx DETAIL:  parameters: $1 = '${status}'`;

const files = [
  ["stderr-12.log", "stderr log"],
  ["stderr-15.log", "stderr log"],
  ["stderr-18.log", "stderr log"],
  ["csvlog-12.csv", "csv log"],
  ["csvlog-15.csv", "csv log"],
  ["csvlog-18.csv", "csv log"],
  ["jsonlog-18.jsonl", "json log"],
] as const;

describe.each(files)("%s", (name, kind) => {
  test("is known for what it is", () => {
    expect(detectSource("anything", linesOf(name).slice(0, 50).join("\n"))).toBe(kind);
  });

  test("gives the statements with values, calls and times", async () => {
    const workload = await workloadOfLines(linesOf(name), name, { database: "postgres" });
    expect(workload.weights).toBe("time");
    const found = workload.statements
      .map(({ planSql, calls }) => `${calls} ${planSql.replaceAll(/\s+/g, " ")}`)
      .filter((line) => !/ONLY "public"|max\(id\)/.test(line))
      .toSorted();
    expect(found).toEqual([
      "1 DELETE FROM customers WHERE id = '9'",
      "1 SELECT count(*) FROM orders WHERE status = 'new' AND id > 10",
      "1 UPDATE orders SET status = 'paid' WHERE id = 7",
      expect.stringMatching(
        /^2 SELECT \* FROM customers WHERE email = 'c[78]@shop' OR email IS NOT DISTINCT FROM NULL$/,
      ),
      expect.stringMatching(/^2 SELECT email FROM customers WHERE id = (?:12|'11')$/),
      expect.stringMatching(
        String.raw`^3 SELECT id, status FROM orders WHERE customer_id = '[345]' AND status = E'it''s sent \\\\ "quoted"' ORDER BY placed_at DESC LIMIT '10'$`,
      ),
    ]);
    expect(workload.statements.every(({ totalMs }) => (totalMs ?? 0) > 0)).toBe(true);
  });

  test("shows the query of a foreign key's trigger, which auto_explain saw", async () => {
    const { statements } = await workloadOfLines(linesOf(name), name);
    expect(statements.map(({ sql }) => sql)).toContainEqual(
      expect.stringContaining('DELETE FROM ONLY "public"."orders" WHERE $1'),
    );
  });

  test("of another database nothing is taken", async () => {
    await expect(workloadOfLines(linesOf(name), name, { database: "other" })).rejects.toThrow(
      /there are of others/,
    );
  });

  test("survives damage anywhere", async () => {
    const lines = linesOf(name);
    const format = kind === "csv log" ? "csv" : kind === "json log" ? "json" : "stderr";
    const whole = await workloadOfLog(lines, name, { format });
    for (const at of [3, 7, 20, 41]) {
      const cut = (lines[at] ?? "").slice(0, (lines[at] ?? "").length / 2);
      const damaged = [...lines.slice(0, at), cut, "\u0000\"garbage',", ...lines.slice(at + 3)];
      const workload = await workloadOfLog(damaged, name, { format });
      expect(workload.statements.length).toBeGreaterThan(whole.statements.length / 2);
    }
  });
});

describe("lines of the log", () => {
  const PREFIXES = [
    "2026-01-02 03:04:05.678 UTC [99] ",
    "2026-01-02 03:04:05 UTC:10.0.0.1(5432):app@shop:[99]:",
    "[99]: [3-1] user=app,db=shop,app=web,client=10.0.0.1 ",
    "1767323045.123 99 ",
    "",
  ];

  test.each(PREFIXES)("any log_line_prefix: %s", async (prefix) => {
    const { statements } = await ofText(
      `${prefix}LOG:  duration: 2.5 ms  execute <unnamed>: SELECT *\n\tFROM a WHERE x = $1\n${prefix}DETAIL:  parameters: $1 = '5'\n${prefix}LOG:  checkpoint starting: time`,
    );
    expect(statements).toMatchObject([
      { planSql: "SELECT *\nFROM a WHERE x = '5'", calls: 1, totalMs: 2.5 },
    ]);
  });

  test("durations that come in an entry of their own go to the session's statement", async () => {
    const { statements } = await ofText(
      [
        "x [1] LOG:  statement: SELECT * FROM a",
        "x [2] LOG:  execute s: SELECT * FROM b WHERE x = $1",
        "x [2] DETAIL:  parameters: $1 = '5'",
        "x [1] LOG:  duration: 7 ms",
        "x [2] LOG:  duration: 9 ms",
        "x [2] LOG:  duration: 1 ms",
        "x [1] LOG:  statement: SELECT * FROM c",
      ].join("\n"),
    );
    expect(statements.map(({ planSql, totalMs }) => [planSql, totalMs])).toEqual([
      ["SELECT * FROM b WHERE x = '5'", 9],
      ["SELECT * FROM a", 7],
      ["SELECT * FROM c", undefined],
    ]);
  });

  test("an execution that is logged as a duration and as a plan counts once", async () => {
    const { statements } = await ofText(
      [
        "x [1] LOG:  duration: 7 ms  plan:\n\tQuery Text: SELECT * FROM a\n\tSeq Scan on a  (cost=0.00..1.00 rows=1 width=4)",
        "x [1] LOG:  duration: 8 ms  statement: SELECT * FROM a",
      ].join("\n"),
    );
    expect(statements).toMatchObject([{ calls: 1, totalMs: 8 }]);
  });

  test("rows of a measured plan fill its limit", async () => {
    const { statements } = await ofText(
      "x LOG:  duration: 7 ms  plan:\n\tQuery Text: SELECT * FROM a LIMIT $1\n\tLimit  (cost=0.00..1.00 rows=1 width=4) (actual time=0.1..0.2 rows=40.00 loops=1)",
    );
    expect(statements[0]?.planSql).toBe("SELECT * FROM a LIMIT 40");
  });

  test("values that the server has cut are not used", async () => {
    const { statements } = await ofText(
      "x LOG:  duration: 7 ms  execute s: SELECT * FROM a WHERE x = $1\nx DETAIL:  parameters: $1 = 'abc...'",
    );
    expect(statements).toMatchObject([
      { planSql: "SELECT * FROM a WHERE x = $1", valuesFrom: "generic" },
    ]);
  });

  test("a set of values that comes back often is planned by itself, rare ones are joined", async () => {
    const rare = Array.from({ length: 30 }, (_, n) => byStatus(`r${n}`));
    const { statements } = await ofText(
      [...rare, ...Array.from({ length: 60 }, () => byStatus("new"))].join("\n"),
    );
    expect(statements).toMatchObject([{ planSql: "SELECT * FROM a WHERE s = 'new'", calls: 90 }]);
  });

  test("EXECUTE in SQL is planned as what was prepared", () => {
    expect(
      readMessage({
        message: "duration: 1 ms  statement: EXECUTE q(5)",
        detail: "prepare: PREPARE q AS SELECT * FROM a WHERE x = $1",
      }),
    ).toMatchObject({ kind: "ran", sql: "PREPARE q AS SELECT * FROM a WHERE x = $1" });
  });

  test("plans in XML have their query unescaped", () => {
    expect(
      readMessage({
        message:
          "duration: 1 ms  plan:\n<explain xmlns=\"http://www.postgresql.org/2009/explain\">\n  <Query-Text>SELECT * FROM a WHERE x &lt; $1 AND s = '&amp;lt;'</Query-Text>\n  <Query-Parameters>$1 = '5'</Query-Parameters>\n</explain>",
        detail: undefined,
      }),
    ).toMatchObject({ sql: "SELECT * FROM a WHERE x < $1 AND s = '&lt;'", values: ["5"] });
  });

  test("nothing crashes on garbage, and memory stays bounded", async () => {
    const line = fc.oneof(
      fc.string(),
      fc.string().map((text) => `x [1] LOG:  duration: 1 ms  execute s: ${text}`),
      fc.string().map((text) => `x [1] DETAIL:  parameters: ${text}`),
      fc.string().map((text) => `x [1] LOG:  duration: 1 ms  plan:${text}`),
      fc.string().map((text) => `\t${text}`),
      fc
        .string()
        .map((text) => `{"error_severity":"LOG","message":"duration: 1 ms  statement: ${text}"}`),
      fc
        .string()
        .map(
          (text) => `2026-01-02 03:04:05.678 UTC,"a","b",1,"c",d,1,"e",f,1/2,0,LOG,00000,"${text}`,
        ),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(line), fc.constantFrom(...logFormats), async (lines, format) => {
        const good = {
          stderr: "x [1] LOG:  duration: 1 ms  statement: SELECT * FROM good",
          csv: `2026-01-02 03:04:05.678 UTC,"a","b",1,"c",d,1,"e",2026-01-02 03:04:05 UTC,1/2,0,LOG,00000,"duration: 1 ms  statement: SELECT * FROM good",,,,,,,,,"app"`,
          json: `{"error_severity":"LOG","message":"duration: 1 ms  statement: SELECT * FROM good"}`,
        }[format];
        const workload = await workloadOfLog(["", ...lines, good, good], "x", { format });
        expect(workload.statements.map(({ planSql }) => planSql)).toContain("SELECT * FROM good");
      }),
      { numRuns: 60 },
    );
  });

  test("many different statements are bounded, and what was dropped is said", async () => {
    const lines = Array.from(
      { length: 5_050 },
      (_, n) => `x LOG:  duration: ${n + 1} ms  statement: SELECT c${n} FROM a`,
    );
    const workload = await ofText(lines.join("\n"));
    expect(workload.statements.length).toBeLessThanOrEqual(5_000);
    expect(workload.statements[0]?.planSql).toBe("SELECT c5049 FROM a");
    expect(workload.caveats.join("\n")).toMatch(/the lightest \d+ were dropped/);
  });

  test("no statement at all is an error that says what to set", async () => {
    await expect(ofText("x LOG:  checkpoint starting: time")).rejects.toMatchObject({
      code: "bad-input",
      hint: expect.stringContaining("log_min_duration_statement"),
    });
  });
});
