import { describe, expect, it } from "vitest";
import { renderOutput, renderText } from "../../src/report/outputs/outputs.ts";
import type { AnyResult } from "../../src/report/outputs/checks.ts";
import { benchResult, limitResult } from "./bench-results.ts";
import { effectOf } from "./gate-results.ts";
import * as results from "./gate-results.ts";
import { hostileResult, SECRET } from "./hostile-results.ts";

const bare = (text: string) => text;
const paint = { good: bare, bad: bare, warn: bare, dim: bare, strong: bare };

const every: readonly { readonly name: string; readonly result: AnyResult }[] = [
  results.passResult,
  results.grownStatementResult,
  results.cpuFailResult,
  results.latencyFailResult,
  results.notConfirmedResult,
  results.inconclusiveResult,
  results.invalidResult,
  results.selfTestRefused,
  benchResult,
  limitResult,
  hostileResult,
].map((make) => ({ name: make.name, result: make() }));

function text(result: AnyResult): string {
  return renderText(result, paint);
}

describe("the terminal's text", () => {
  it.each(every)("of $name begins with its verdict and shows no broken value", ({ result }) => {
    expect(text(result)).toMatch(/^(?:PASS|FAIL|INCONCLUSIVE|INVALID|MEASURED) \S/);
    expect(text(result)).not.toMatch(/\bNaN\b|\bundefined\b|Infinity|\[object|\bnull\b/);
    expect(text(result)).not.toContain(SECRET.slice(0, 5));
  });

  it("colours the verdict by its kind", () => {
    const marks = {
      ...paint,
      good: (each: string) => `<good>${each}`,
      bad: (each: string) => `<bad>${each}`,
    };
    expect(renderText(results.passResult(), marks)).toMatch(/^<good>PASS/);
    expect(renderText(results.cpuFailResult(), marks)).toMatch(/^<bad>FAIL/);
    expect(renderText(results.cpuFailResult(), marks)).toContain("<bad>FAIL (confirmed)");
  });

  it("moves no cursor and starts no line with somebody's workflow command", () => {
    const shown = text(hostileResult());
    expect(shown).not.toMatch(/[^\n\P{Cc}]/u);
    expect(shown).not.toMatch(/^\s*::/m);
  });
});

describe("a gate", () => {
  it("names what grew, where and by how much before anything else", () => {
    const shown = text(results.grownStatementResult());
    const row = shown.split("\n").find((line) => line.includes("SQL statements"));
    expect(row).toMatch(/GET \/models\/search.* 0 .* 10 .*SELECT t\.key/);
    expect(shown.indexOf("SELECT t.key")).toBeLessThan(shown.indexOf("What to do"));
  });

  it("shows a statement that no cell can hold in full, in Markdown", () => {
    const result = results.grownStatementResult();
    const long = `SELECT ${"c, ".repeat(200)}last_column FROM t`;
    const [first] = result.counters?.findings ?? [];
    if (!result.counters || !first) throw new Error("no finding");
    const counters = { ...result.counters, findings: [{ ...first, subject: long }] };
    const markdown = renderOutput({ ...result, counters }, "markdown");
    expect(markdown).toContain("Statements in full");
    expect(markdown).toContain("last_column");
    expect(renderOutput(result, "markdown")).not.toContain("Statements in full");
  });

  it("gives every change with its interval and pairs, and both blocks of a confirmed one", () => {
    const shown = text(results.cpuFailResult());
    expect(shown).toMatch(
      /CPU a request .*2\.41 ms .*2\.66 ms .*\+10\.4 % .*\+8\.1 % to \+12\.7 % .* 7 .* 5 % .*FAIL \(confirmed\)/,
    );
    expect(shown).toContain("+9.7 % (+7.0 % to +12.5 %, 7 pairs), confirmed");
  });

  it("does not blame a regression that was not confirmed", () => {
    const shown = text(results.notConfirmedResult());
    expect(shown).toContain("INCONCLUSIVE (not confirmed)");
    expect(shown).toContain("so nothing fails");
  });

  it("says what inconclusive pairs could find, and what would decide", () => {
    expect(text(results.inconclusiveResult())).toContain(
      "these 30 pairs could find 11.8 %, and the margin is 5 %. More pairs (`--pairs`)",
    );
  });

  it("says why windows are invalid, a few of them by name", () => {
    const shown = text(results.invalidResult());
    expect(shown).toContain("0 of 14 valid");
    expect(shown).toContain("pair 1, base: generator CPU 91 % is above 70 %");
    expect(shown).toContain("and 9 more windows");
    expect(shown).toContain("not measured");
  });

  it("tells an improvement, which is a pass", () => {
    const [first] = results.passResult().metrics;
    if (!first) throw new Error("no metric");
    const effect = effectOf(first.metric, [2.4, 2.0], [0.83, 0.8, 0.86]);
    const metrics = [{ ...first, effect }];
    expect(text(results.passResult({ metrics }))).toContain("PASS (better)");
  });

  it("has nothing to do after a pass", () => {
    expect(text(results.passResult())).not.toContain("What to do");
  });
});

describe("a self-test", () => {
  const shown = text(results.selfTestRefused());

  it("says for each metric what can be seen and what that takes", () => {
    expect(shown).toMatch(/API p95 .*17\.0 % .*14\.2 % .* 5 % .* 160 .*24 min 32 s .* no /);
    expect(shown).toMatch(/CPU a request .*2\.1 % .* 55 s .* yes /);
    expect(shown).toMatch(/DB CPU a request .*not measured.*no number of pairs/);
  });

  it("says what to set instead, as it can be typed", () => {
    expect(shown).toContain("`--pairs 160`");
    expect(shown).toContain("`--margin p95=15%`");
    expect(shown).toContain("nothing helps on this machine");
  });

  it("warns when one build differs from itself", () => {
    expect(shown).toContain("one build differs from itself by +4.2 %");
    expect(shown.match(/differs from itself/g)).toHaveLength(1);
  });
});

describe("a bench", () => {
  it("shows metrics with intervals, endpoints, limits and windows that were not valid", () => {
    const shown = text(benchResult());
    expect(shown).toMatch(/API p95 .*24\.8 ms .*23\.9 ms to 26\.3 ms .* 3 /);
    expect(shown).toMatch(/error rate .*too few windows/);
    expect(shown).toMatch(/GET \/models\/search .*24,000 .*31\.5 ms/);
    expect(shown).toContain("1 of 2 limits missed");
    expect(shown).toContain("generator lag p99 3.1 ms is above 1 ms");
    expect(shown).toContain("service CPU: the service runs on another machine");
    expect(shown).toContain("503: 12");
  });

  it("shows how a changing load went, the slowest piece always, valid windows only", () => {
    const shown = text(benchResult());
    const rows = shown.split("\n").filter((line) => /^│ \d+ s /.test(line));
    expect(rows.length).toBeLessThanOrEqual(13);
    expect(rows.find((line) => line.includes("190 ms"))).toMatch(/18 s .* 600 .*1,200 .* 8 /);
    expect(shown).toMatch(/load .*▃{10}█{10}▃{10}/);
    expect(shown).toMatch(/API p95 .*█.*·/);
  });

  it("is invalid without a valid window, whatever its limits say", () => {
    const windows = benchResult().windows.map((each) => ({ ...each, valid: false }));
    expect(text(benchResult({ windows, slos: [] }))).toMatch(/^INVALID /);
    expect(text(benchResult({ slos: [] }))).toMatch(/^MEASURED /);
  });

  it("shows the most load that holds, with what was tried", () => {
    const shown = text(limitResult());
    expect(shown).toContain("holds its limits up to 1,180 requests/s; breaks at 1,240 requests/s");
    expect(shown).toMatch(/1,240 .*breaks .*402 ms/);
  });
});
