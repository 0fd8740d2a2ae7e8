/** What the advisor's report says: proven or not, what it costs, and nothing that its input could break. */
import { describe, expect, it } from "vitest";
import type { IndexAdvice } from "../../../src/core/advice.ts";
import { adviceDocument, adviceMarkdown } from "../../../src/report/advice/document.ts";
import { missingGains } from "../../../src/report/advice/gains.ts";
import { terminalText } from "../../../src/report/outputs/terminal.ts";
import { adviceOf, events, orders, statement, verification } from "./fixture.ts";

const same = (text: string): string => text;
const paint = { good: same, bad: same, warn: same, dim: same, strong: same };

function terminal(advice: IndexAdvice): string {
  return terminalText(adviceDocument(advice), paint);
}

function markdown(advice: IndexAdvice): string {
  return adviceMarkdown(advice) ?? "";
}

describe("what is said of proof", () => {
  it("calls nothing measured that was not", () => {
    const text = markdown(adviceOf()).replaceAll(/not measured/gi, "");
    expect(text).not.toMatch(/measured/i);
    expect(text).toContain("Not proven: these are the planner's costs");
    expect(text).toContain("cost -39.4 % estimated by the planner");
  });

  it("shows estimated and measured side by side, with the interval", () => {
    const text = markdown(adviceOf({ verification }));
    expect(text).toContain(
      "| `Q1` | -99.7 % | -92.0 % (-94.0 % to -89.0 %) | 12.5 ms to 1.00 ms | faster |",
    );
    expect(text).toContain(
      "| `Q3` | -40.0 % | 4.70 times (4.30 to 5.20) | 500 ms to 2.35 s | **slower** |",
    );
    expect(text).toContain("| `Q4` | not planned | not measured |  | **not run** |");
    expect(text).toContain("Taken out again: items (product_id).");
    expect(text).toContain("1 statement measured slower");
  });

  it("says so when the set was built but nothing could be timed", () => {
    const { total: _, ...rest } = verification;
    const text = markdown(adviceOf({ verification: { ...rest, total: undefined } }));
    expect(text).toContain(
      "Not proven: the set was built in a copy, but no statement could be timed",
    );
  });

  it("is not good news when the whole became slower", () => {
    const total = { factor: 1.12, low: 1.08, high: 1.16, withoutMs: 13_550, withMs: 15_160 };
    expect(adviceDocument(adviceOf({ verification: { ...verification, total } })).word.tone).toBe(
      "bad",
    );
  });

  it("calls sizes measured only when every index was built", () => {
    expect(markdown(adviceOf({ verification }))).toContain("1.64 MB (estimated)");
    const only = adviceOf({ verification, selected: [orders] });
    expect(markdown(only)).toContain("Size: measured.");
    const elsewhere = adviceOf({
      verification: { ...verification, elsewhere: true },
      selected: [orders],
    });
    expect(markdown(elsewhere)).toContain("Size: estimated.");
  });
});

describe("without an index to build", () => {
  it("says that nothing was priced, why, and keeps the findings", () => {
    const advice = adviceOf({ skipped: "the snapshot is of PostgreSQL 9.6", selected: [] });
    const text = terminal(advice);
    expect(text).toMatch(/^NOT PRICED .*PostgreSQL 9\.6/);
    expect(text).toContain("orders_total_idx");
    expect(text).not.toContain("no index is worth its price");
  });

  it("says that no index is worth it", () => {
    const text = terminal(adviceOf({ selected: [] }));
    expect(text).toMatch(/^NO INDEX TO BUILD .*no index is worth its price/);
    expect(text).not.toContain("Not proven");
    expect(markdown(adviceOf({ selected: [] }))).not.toContain("SQL to build");
  });

  it("says what helps a statement once, as a finding or beside the statement", () => {
    const remedy = "24,600 calls, 61 % of the workload's";
    expect(terminal(adviceOf()).split("24,600 calls")).toHaveLength(2);
    expect(terminal(adviceOf({ findings: [] }))).toContain(remedy);
  });

  it("leaves names as they are at the beginning of a sentence", () => {
    const detail = "orders_a_b_idx begins with the same keys";
    const findings = [{ kind: "redundant" as const, table: "public.orders", index: "a", detail }];
    expect(terminal(adviceOf({ findings }))).toContain(`: ${detail}.`);
  });

  it("never passes over a statement that could not be planned", () => {
    expect(terminal(adviceOf())).toContain(
      "1 statement could not be read or planned, so nothing is known",
    );
  });
});

describe("the terminal", () => {
  it("has tables of at most 80 columns, whatever the names", () => {
    const table = "a_table_with_a_name_as_long_as_postgresql_allows_a_name_to_be_63";
    const long = { ...orders, index: { ...orders.index, table, name: `${table}x`.slice(0, 63) } };
    const text = terminal(
      adviceOf({
        verification,
        selected: [long, events],
        statements: [statement({ id: "9".repeat(40), sql: "x".repeat(3_000) })],
        rejected: [{ index: long.index, reason: "y".repeat(500) }],
      }),
    );
    const drawn = text.split("\n").filter((line) => /^[│┌├└]/.test(line));
    expect(drawn.length).toBeGreaterThan(20);
    for (const line of drawn) expect(line.length, line).toBeLessThanOrEqual(80);
    // Broken over lines, and nothing of it lost.
    const cells = drawn.map((line) => line.split("│")[2]?.trim() ?? "").join("");
    expect(cells).toContain(table);
  });

  it("leaves SQL to --format sql", () => {
    expect(terminal(adviceOf())).not.toContain("CREATE INDEX");
    expect(markdown(adviceOf())).toContain("CREATE INDEX CONCURRENTLY");
  });
});

describe("text of others", () => {
  const HOSTILE =
    "x | y `tick` ``two`` @octocat <img src=x onerror=alert(1)> --> </details> #12 [a](http://e.x) \u001b[31m\u202e\r\n::error::no postgres://app:hunter2@db/app";
  const hostile = adviceOf({
    workload: { ...adviceOf().workload, source: HOSTILE },
    statements: [statement({ id: HOSTILE, sql: HOSTILE, remedy: HOSTILE, notes: [HOSTILE] })],
    selected: [
      {
        ...orders,
        index: { ...orders.index, table: HOSTILE, where: HOSTILE },
        because: HOSTILE,
        gaining: [{ id: HOSTILE, costBefore: 2, costAfter: 1 }],
      },
    ],
    findings: [
      {
        kind: "unused",
        table: HOSTILE,
        index: HOSTILE,
        detail: HOSTILE,
        sql: `SELECT '${HOSTILE}'`,
      },
    ],
    rejected: [{ index: orders.index, reason: HOSTILE }],
    caveats: [HOSTILE],
    verification: {
      ...verification,
      design: HOSTILE,
      statements: [
        { id: HOSTILE, estimated: 1, measured: undefined, verdict: "not run", note: HOSTILE },
      ],
    },
  });

  it("breaks no table, has no tags, mentions nobody, tells no secret", () => {
    const text = markdown(hostile);
    for (const block of text.split("\n\n").filter((each) => each.startsWith("| "))) {
      const counts = block.split("\n").map((row) => row.split(/(?<!\\)\|/).length);
      expect(new Set(counts).size, block).toBe(1);
    }
    const shown = text
      .replaceAll(/^```[^\n]*\n[^]*?^```$/gm, "")
      .replaceAll(/(?<!`)(`+)(?!`)(?:[^\n]*?[^`\n])?\1(?!`)/g, "");
    expect(shown).not.toMatch(/[@#&][A-Za-z0-9]/);
    const tags = [...shown.matchAll(/(?<!\\)<[^>]*>/g)].map(([tag]) => tag);
    expect(new Set(tags.slice(1))).toEqual(
      new Set(["<details>", "<summary>", "</summary>", "</details>"]),
    );
    for (const each of [text, terminal(hostile)]) {
      expect(each).not.toContain("hunter2");
      expect(each).not.toContain("\u001b");
    }
  });

  it("fits a comment whatever there is", () => {
    const many = adviceOf({
      statements: Array.from({ length: 2_000 }, (_, index) =>
        statement({
          id: `Q${index}`,
          sql: `SELECT ${"column, ".repeat(400)}`,
          notes: ["n".repeat(900)],
        }),
      ),
      findings: Array.from({ length: 3_000 }, (_, index) => ({
        kind: "redundant" as const,
        table: "public.t",
        index: `i${index}`,
        detail: "d".repeat(900),
      })),
      selected: Array.from({ length: 300 }, () => orders),
    });
    const text = markdown(many);
    expect(text.length).toBeLessThanOrEqual(65_536);
    expect(text).toContain("Left out, since a comment takes no more");
    expect(text).toContain("and 2988 more in --json");
  });
});

describe("rejected indexes", () => {
  it("are counted by reason, names and numbers aside, the most frequent first", () => {
    const text = markdown(adviceOf());
    const rows = text.split("\n").filter((line) => /^\| \d+ \| `orders/.test(line));
    expect(rows.slice(-2)).toEqual([
      "| 2 | `orders (a)` | saves 0.4 % of the workload, less than 1.0 % |",
      "| 1 | `orders (c)` | the existing index orders\\_c\\_idx begins with these columns |".replaceAll(
        "\\",
        "",
      ),
    ]);
  });
});

describe("missing gains", () => {
  it("are statements that save more than the bound, with their indexes", () => {
    const { missing, unpriced } = missingGains(adviceOf(), 0.5);
    expect(missing.map(({ id, by }) => [id, by])).toEqual([
      ["Q1", "estimated"],
      ["Q2", "estimated"],
    ]);
    expect(missing[1]?.indexes).toEqual(["events (kind) WHERE done_at IS NULL"]);
    expect(unpriced).toEqual(["Q4"]);
  });

  it("lets a measurement overrule the planner", () => {
    const { missing } = missingGains(adviceOf({ verification }), 0.5);
    expect(missing.map(({ id, by, gain }) => [id, by, gain.toFixed(2)])).toEqual([
      ["Q1", "measured", "0.92"],
    ]);
  });

  it("are unknown, not none, when nothing was priced or a cost is no number", () => {
    expect(missingGains(adviceOf({ skipped: "no server" }), 0.1)).toEqual({
      missing: [],
      unpriced: adviceOf().statements.map(({ id }) => id),
    });
    const odd = adviceOf({ statements: [statement({ costAfter: Number.NaN })] });
    expect(missingGains(odd, 0.1)).toEqual({ missing: [], unpriced: ["Q1"] });
  });

  it("do not count what changes without a selected index", () => {
    const odd = adviceOf({ statements: [statement({ id: "Q9", uses: [] })] });
    expect(missingGains(odd, 0.1).missing).toEqual([]);
  });
});
