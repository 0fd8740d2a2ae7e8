/** What users and their services name can neither break an output nor speak through it, and no output is larger than its reader takes. */
import * as fc from "../properties.ts";
import { describe, expect, it } from "vitest";
import { annotationLines } from "../../src/report/outputs/annotations.ts";
import { prose, SUMMARY_BYTES_MOST } from "../../src/report/outputs/markdown.ts";
import { renderOutput, renderStepSummary } from "../../src/report/outputs/outputs.ts";
import { benchResult } from "./bench-results.ts";
import { grownStatementResult, passResult } from "./gate-results.ts";
import { hostileResult, hugeResult, SECRET } from "./hostile-results.ts";
import { readXml } from "./xml.ts";

/** Without code, in which nothing is markup, nobody is mentioned, and only a table's bars count. */
function withoutCode(markdown: string): string {
  return markdown
    .replaceAll(/^```[^\n]*\n[^]*?^```$/gm, "")
    .replaceAll(/(?<!`)(`+)(?!`)(?:[^\n]*?[^`\n])?\1(?!`)/g, "");
}

function bytes(text: string | undefined): number {
  return new TextEncoder().encode(text ?? "").length;
}

/** A row's cells, for readers to whom a backslash escapes a bar, and for those to whom two are one backslash. */
function cellCounts(row: string): readonly number[] {
  return [row.split(/(?<!\\)\|/).length, row.split(/(?<=(?<!\\)(?:\\\\)*)\|/).length];
}

/** Characters that mean something to somebody. */
const nasty = fc
  .array(
    fc.oneof(
      fc.constantFrom(..."`|\\<>&@#*_[]()!-\n\r\t\u0000\u001b\u202e\ud800:,%~'\" ".split("")),
      fc.constantFrom(
        "\\\\|",
        "a",
        "octocat",
        "-->",
        "</details>",
        "```",
        "&#64;",
        "::error::",
        "\u200b",
      ),
    ),
    { maxLength: 25 },
  )
  .map((parts) => parts.join(""));

describe("Markdown", () => {
  const markdown = renderOutput(hostileResult(), "markdown") ?? "";

  it("mentions nobody, links no issue, and has no tags but its own", () => {
    const shown = withoutCode(markdown);
    expect(shown).not.toMatch(/[@#&][A-Za-z0-9]/);
    const tags = [...shown.matchAll(/(?<!\\)<[^>]*>/g)].map(([tag]) => tag);
    expect(new Set(tags.slice(1))).toEqual(
      new Set(["<details>", "<summary>", "</summary>", "</details>"]),
    );
    expect(tags[0]).toMatch(/^<!-- perfopt:gate:[A-Za-z0-9._/;%-]+ -->$/);
    expect(tags[0]?.slice(4, -3)).not.toContain("--");
  });

  it("has tables whose rows all have as many cells as their head", () => {
    const tables = markdown.split("\n\n").filter((block) => block.startsWith("| "));
    expect(tables.length).toBeGreaterThan(1);
    for (const each of tables) {
      const counts = each.split("\n").flatMap(cellCounts);
      expect(new Set(counts).size, each).toBe(1);
    }
  });

  it("holds no secret, not even half of one", () => {
    const kinds = ["result", "markdown", "junit", "bencher", "benchmark-smaller"] as const;
    for (const kind of kinds) {
      expect(renderOutput(hostileResult(), kind)).not.toContain(SECRET.slice(0, 5));
    }
    expect(annotationLines(hostileResult()).join("")).not.toContain(SECRET.slice(0, 5));
  });

  it("cuts a long text without letting half a secret through", () => {
    for (let length = 0; length < 90; length += 1) {
      const label = `${"x".repeat(length)} postgres://app:${SECRET}@db/app`;
      const base = { label };
      expect(renderOutput(passResult({ base }), "markdown")).not.toContain(SECRET.slice(0, 2));
    }
  });

  it("keeps any text harmless", () => {
    fc.assert(
      fc.property(nasty, (text) => {
        const shown = withoutCode(prose(text));
        expect(shown).not.toMatch(/[@#&][\p{L}\p{N}]/u);
        expect(shown).not.toMatch(/(?<!\\)(?:\\\\)*</);
        expect(shown.replaceAll(/\u200B/g, "")).not.toMatch(/[^\P{C}\n]/u);
      }),
      { numRuns: 2_000, seed: 1 },
    );
  });

  it("keeps any statement in its cell", () => {
    fc.assert(
      fc.property(nasty, (text) => {
        const result = grownStatementResult();
        const [first] = result.counters?.findings ?? [];
        if (!result.counters || !first) throw new Error("no finding");
        const findings = [{ ...first, subject: `s${text}`, endpoint: `e${text}` }];
        const rows = renderOutput(
          { ...result, counters: { ...result.counters, findings } },
          "markdown",
        )
          ?.split("\n")
          .filter((line) => line.startsWith("| SQL statements"));
        expect(rows).toHaveLength(1);
        expect(cellCounts(rows?.[0] ?? "")).toEqual([7, 7]);
      }),
      { numRuns: 300, seed: 1 },
    );
  });
});

describe("XML and annotations", () => {
  it("stay well formed whatever the text", () => {
    fc.assert(
      fc.property(nasty, fc.string({ unit: "binary" }), (one, two) => {
        const text = one + two;
        const result = passResult({
          verdict: "fail",
          target: text,
          metrics: [],
          reasons: [text],
          base: { label: text },
        });
        const xml = renderOutput(result, "junit") ?? "";
        expect(() => readXml(xml.replace(/^<\?xml[^>]*\?>/, ""))).not.toThrow();
        expect(xml).not.toMatch(/[\uFFFE\uFFFF]|\p{Cs}/u);
        for (const line of annotationLines(result))
          expect(line).toMatch(/^::error title=[^:,\r\n]*::[^\r\n]*$/);
      }),
      { numRuns: 200, seed: 1 },
    );
  });
});

describe("size", () => {
  it("of a comment stays within GitHub's limit, by whole sections from the end", () => {
    const markdown = renderOutput(hugeResult(), "markdown") ?? "";
    expect(markdown.length).toBeLessThanOrEqual(65_536);
    expect(markdown).toMatch(
      /Left out, since a comment takes no more: .*Windows\. The result file/,
    );
    expect(markdown).toContain("#### What to do");
    expect(markdown.match(/<details>/g)?.length).toBe(markdown.match(/<\/details>/g)?.length);
    expect(markdown.match(/^```/gm)?.length ?? 0).toSatisfy((fences: number) => fences % 2 === 0);
    expect(markdown).toContain("And 380 more findings in the result file.");
    expect(renderOutput(passResult(), "markdown")).not.toContain("Left out");
  });

  it("of a summary leaves room for what is there, counted in bytes", () => {
    const whole = bytes(renderStepSummary(benchResult(), 0));
    for (const room of [whole, whole - 1, 3_000, 1_000]) {
      const text = renderStepSummary(benchResult(), SUMMARY_BYTES_MOST - room);
      expect(bytes(text)).toBeLessThanOrEqual(room);
      expect(text?.includes("Left out") ?? true).toBe(room < whole);
    }
    expect(renderStepSummary(benchResult(), SUMMARY_BYTES_MOST - 100)).toBeUndefined();
    expect(renderStepSummary(benchResult(), SUMMARY_BYTES_MOST + 1)).toBeUndefined();
    expect(bytes(renderStepSummary(hugeResult(), 0))).toBeLessThanOrEqual(SUMMARY_BYTES_MOST);
  });
});
