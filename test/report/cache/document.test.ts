/** What the cache advice says, in which order, and nothing that its input could break. */
import { describe, expect, it } from "vitest";
import type { CacheAdvice } from "../../../src/core/cache-advice.ts";
import { cacheAdviceDocument, cacheAdviceMarkdown } from "../../../src/report/cache/document.ts";
import { terminalText } from "../../../src/report/outputs/terminal.ts";
import { aboveCeiling, adviceOf, bareAdvice, present, recommended } from "./fixture.ts";
import { everyNumber, everyText, HOSTILE } from "./spoiled.ts";

const same = (text: string): string => text;
const paint = { good: same, bad: same, warn: same, dim: same, strong: same };

function terminal(advice: CacheAdvice): string {
  return terminalText(cacheAdviceDocument(advice), paint);
}

function titles(advice: CacheAdvice): readonly string[] {
  return cacheAdviceDocument(advice).sections.map(({ title }) => title);
}

function rowOf(text: string, start: string): string {
  return text.split("\n").find((line) => line.startsWith(start)) ?? "";
}

describe("the order", () => {
  it("is that of a reader with one minute", () => {
    expect(titles(adviceOf())).toEqual([
      "Present against recommended",
      "Why",
      "Memory against hit rate",
      "The ceiling, and what would move it",
      "Prefixes",
      "Times to live",
      "In-process cache before Redis",
      "Warm-up",
      "Memory",
      "Caches between the service and its users",
      "Predicted against measured",
      "What the trace covers",
      "Not taken into account",
      "How this was measured",
      "Hit rate by memory and policy",
    ]);
  });

  it("begins with the ceiling when the goal lies above it, and with what would move it", () => {
    const movers = [
      { kind: "memory" as const, gain: 0.004, detail: "more of it" },
      ...adviceOf().movers,
    ];
    const advice = adviceOf({ ...aboveCeiling, movers });
    expect(titles(advice)[0]).toBe("The ceiling, and what would move it");
    const [first, second] = terminal(advice).split("\n");
    expect(first).toMatch(/^GOAL ABOVE THE CEILING shop\.csv\.gz: 98 % is above the ceiling/);
    expect(second).toMatch(/at least 98\.0 % .*2\.7 points above the ceiling: 95\.3 %/);
    expect(second).toMatch(/estimated: longer times to live \(about 1\.21 points\), warm-up/);
    expect(second).not.toMatch(/single flight|, memory/);
  });

  it("has nothing of what is absent", () => {
    expect(titles(bareAdvice)).toEqual([
      "The ceiling, and what would move it",
      "Memory",
      "What the trace covers",
      "How this was measured",
    ]);
    const text = terminal(bareAdvice) + cacheAdviceMarkdown(bareAdvice);
    expect(text).not.toMatch(/recommended|at present|goal:|stale|L1|edge|move it, estimated/i);
  });

  it("shows one side alone under its own name", () => {
    const { present: _, ...without } = adviceOf();
    expect(titles(without)[0]).toBe("Recommended");
    const { recommended: __, ...only } = adviceOf();
    expect(titles(only)[0]).toBe("At present");
    expect(terminal(only)).not.toMatch(/advised|as recommended/);
  });
});

describe("what is predicted", () => {
  it("has its bounds wherever a setting's hit rate is printed", () => {
    const text = cacheAdviceMarkdown(adviceOf());
    expect(rowOf(text, "| hit rate |")).toBe(
      "| hit rate | 94.6 % (94.2 % to 95.0 %) | 95.1 % (94.7 % to 95.5 %) |",
    );
    expect(rowOf(text, "| 48 MB advised")).toBe(
      "| 48 MB advised | allkeys-lfu, L1 8 MB for 5 s | x 4 | 95.1 ± 0.4 | 41 | 0.42 | 0.94 % |",
    );
    const lead = text.split("####")[1] ?? "";
    for (const line of lead.split("\n").filter((each) => each.includes("hit rate 9")))
      expect(line).toMatch(/hit rate [\d.]+ % \([\d.]+ % to [\d.]+ %\) predicted/);
  });

  it("is called so, and measured only what was played against a server", () => {
    const { verification: _, ...unmeasured } = adviceOf();
    const text = cacheAdviceMarkdown(unmeasured);
    expect(text).toContain("Predicted by simulating the trace, not measured: `--verify`");
    const claims = text
      .split("\n")
      .filter((line) => /\bmeasured\b/.test(line.replaceAll(/not measured|was measured/gi, "")));
    expect(claims.join("\n")).toMatch(
      /^- Hit rate while the trace was captured: 94\.5 %, measured\.$/,
    );
  });

  it("stands beside what was measured, with the difference and its reason", () => {
    const text = cacheAdviceMarkdown(adviceOf());
    expect(text).toContain("1 of 2 predictions held, the largest difference 1.48 points");
    expect(text).toContain("| 128 MB | allkeys-lru | 94.6 % | 93.1 % | 1.48 points | **no** |");
    expect(text).toContain("- 128 MB, allkeys-lru: the server was still loading its dump for 4 s.");
  });

  it("says so where a difference has no reason", () => {
    const { verification } = adviceOf();
    const results = (verification?.results ?? [])
      .filter(({ ok }) => !ok)
      .map(({ maxmemoryBytes, policy, predicted, measured, ok }) => ({
        maxmemoryBytes,
        policy,
        predicted,
        measured,
        ok,
      }));
    const text = terminal(
      adviceOf({ verification: { design: "played", serverVersion: "7.0.15", results } }),
    );
    expect(text).toContain("outside what was promised, and nothing says why");
  });

  it("counts the loads saved against no cache and against now", () => {
    expect(terminal(adviceOf())).toContain(
      "Loads of the database as recommended: 41/s predicted, 95.1 % fewer than without a cache (840/s), 9.7 % fewer than now (45.4/s).",
    );
    const more = adviceOf({ recommended: { ...recommended, loadsPerSecond: 60 } });
    expect(terminal(more)).toContain("32.2 % more than now (45.4/s)");
  });
});

describe("the table of memory against hit rate", () => {
  it("marks the recommended and the present setting, once each", () => {
    const text = cacheAdviceMarkdown(adviceOf());
    expect(text.match(/ advised \|/g)).toHaveLength(1);
    expect(text.match(/^\| 128 MB now \|/gm)).toHaveLength(1);
    expect(text).toContain("The present setting stands beside them for comparison.");
  });

  it("shows what differs by an L1 alone as the one setting of Redis that it is", () => {
    const { l1: _, ...without } = recommended;
    const pareto = [{ ...without, hitsPerExtraMb: 0.71 }];
    const { hitsPerExtraMb: __, ...chosen } = recommended;
    const text = cacheAdviceMarkdown(adviceOf({ pareto, recommended: chosen }));
    expect(text.match(/^\| 48 MB[^|]*\| allkeys-lfu[^|]*\| x 4/gm)).toHaveLength(1);
    expect(rowOf(text, "| 48 MB advised")).toMatch(/L1 8 MB for 5 s \|.*\| 0\.71 \| 0\.94 % \|$/);
  });

  it("marks one row as both when nothing is to change", () => {
    const text = cacheAdviceMarkdown(adviceOf({ recommended: present }));
    expect(text).toContain("| 128 MB advised now |");
    expect(text.match(/ advised/g)).toHaveLength(1);
  });

  it("keeps the marked rows of a long one, and says what is not shown", () => {
    const many = Array.from({ length: 90 }, (_, index) => ({
      ...recommended,
      l1: { bytes: 1, ttlMs: 1 },
      maxmemoryBytes: (index + 1) * 1024 ** 2,
    }));
    const text = cacheAdviceMarkdown(adviceOf({ pareto: many }));
    expect(text).toMatch(/\| 48 MB advised \|/);
    const hidden = /(\d+) more settings are in --json/.exec(text)?.[1];
    expect(Number(hidden)).toBeGreaterThan(60);
  });

  it("takes a cache without a limit for the largest", () => {
    const text = cacheAdviceMarkdown(adviceOf({ present: { ...present, maxmemoryBytes: 0 } }));
    expect(rowOf(text, "| Redis maxmemory")).toContain("| no limit | 48 MB |");
    expect(text.indexOf("| no limit now |")).toBeGreaterThan(text.indexOf("| 64 MB |"));
  });
});

describe("numbers", () => {
  it("are those that the advice has, in units that people read", () => {
    const text = cacheAdviceMarkdown(adviceOf());
    for (const expected of [
      "| `product` | 64.0 % | 61.2k | 97 MB | 94.1 % | 95.1 % | first use 51, evicted 24, expired 19, invalidated 7 |",
      "| `product` | 30 s | 2 min | 0.41 | 1.2 % | 11.4 ms |",
      "| expired | 1.2 % | outlived its time to live: a longer one helps |",
      "|  | 1 h | 96.5 % | 113 MB | 8.7 % |",
      "| 8 MB for 5 s | 41.2 % | 91.1 % | 94.8 % | 43.9 | 0.52 % |",
      "| 2k | 3.2 MB | 61.1 % |",
      "| `GET get product` | 301k | 4.11 kB | not stored | revalidated | 98.1 % |",
      "| 10 min | 90.3 % | 4.1 % | 66 MB |",
      "Container for a maxmemory of 48 MB: at least 96 MB, estimated.",
      "calibrated on Redis 7.0.15 (71 B an entry beside its key and value, mean; off by 0.41 % at the most)",
      "It has 50.0 % of the keys",
      "bounds of up to 1.04 points either way",
      "| 48 MB | 85.9 ± 0.7 | 89.5 ± 0.7 | 82.9 ± 0.7 | 85.3 ± 0.7 | 80.8 ± 0.7 |",
    ])
      expect(text).toContain(expected);
  });

  it("that are missing are never shown as numbers", () => {
    for (const value of [Number.NaN, Infinity, 0]) {
      const advice = everyNumber(adviceOf(), value);
      for (const text of [terminal(advice), cacheAdviceMarkdown(advice)])
        expect(text).not.toMatch(/\bNaN\b|\bundefined\b|Infinity|\[object|\bnull\b/);
    }
    expect(terminal(everyNumber(adviceOf(), Number.NaN))).toContain(
      "not known (not known to not known)",
    );
  });

  it("of a trace that shows no writes are not taken for no staleness", () => {
    const ttl = [5_000, 10_000].map((ttlMs) => ({ prefix: "", ttlMs, hitRate: 0.5, bytes: 1 }));
    const { staleShare: _, ...unknown } = recommended;
    const pareto = [16, 32].map((size) => ({ ...unknown, maxmemoryBytes: size * 1024 ** 2 }));
    const { present: __, ...advice } = adviceOf({ ttl, pareto, recommended: unknown });
    const text = terminal(advice);
    expect(text).toContain("nothing is known of staleness");
    expect(text).toContain("nothing is known of stale reads");
    expect(text).not.toMatch(/hits\/MB │ stale/);
  });
});

describe("the trace", () => {
  it("that is too short is said to be so at once", () => {
    const coverage = {
      enough: false,
      newKeyShareAtEnd: 0.3,
      words: ["The trace is shorter than the longest time to live"],
    };
    const document = cacheAdviceDocument(adviceOf({ coverage }));
    expect(JSON.stringify(document.lead)).toContain(
      "The trace is too short to rely on this: The trace is shorter than the longest time to live.",
    );
    expect(terminal(adviceOf({ coverage }))).toContain("Not long enough");
  });
});

describe("HTTP", () => {
  it("says why an endpoint is not kept, and what to send instead; nothing of one that is", () => {
    const text = terminal(adviceOf());
    expect(text).toContain("`GET get product`: Cache-Control: private, no-cache.");
    expect(text).toContain("Remedy: answer 304 without a body when the ETag is the same.");
    expect(text).not.toContain("public, max-age=60");
  });
});

describe("an in-process cache", () => {
  it("is shown once where a larger one does no more", () => {
    const { tiers } = adviceOf();
    const [none, some] = tiers?.options ?? [];
    if (!tiers || !none || !some) throw new Error("the fixture has tiers");
    const larger = { ...some, l1: { bytes: 2 ** 30, ttlMs: 5_000 } };
    const longer = { ...some, l1: { bytes: 2 ** 30, ttlMs: 30_000 } };
    const text = cacheAdviceMarkdown(
      adviceOf({ tiers: { ...tiers, options: [none, some, larger, longer] } }),
    );
    expect(text).toContain("| 8 MB for 5 s |");
    expect(text).not.toContain("| 1 GB for 5 s |");
    expect(text).toContain("| 1 GB for 30 s |");
    expect(text).toContain("1 larger L1 left out, for a smaller one does as much");
  });
});

describe("the terminal", () => {
  it("has tables of at most 80 columns, whatever the names", () => {
    const [prefix] = adviceOf().prefixes;
    const long = `a:very:long:prefix:${"x".repeat(80)}`;
    const { http } = adviceOf();
    const text = terminal(
      adviceOf({
        prefixes: prefix ? [{ ...prefix, prefix: long }] : [],
        ttl: [{ prefix: long, ttlMs: 90_000, hitRate: 0.991, bytes: 5_000, staleShare: 0.00012 }],
        ...(http
          ? {
              http: { ...http, endpoints: http.endpoints.map((each) => ({ ...each, name: long })) },
            }
          : {}),
      }),
    );
    const drawn = text.split("\n").filter((line) => /^[│┌├└]/.test(line));
    expect(drawn.length).toBeGreaterThan(40);
    for (const line of drawn) expect(line.length, line).toBeLessThanOrEqual(80);
  });
});

describe("text of others", () => {
  const hostile = everyText(adviceOf(aboveCeiling), HOSTILE);

  it("breaks no table, has no tags, mentions nobody, tells no secret", () => {
    const text = cacheAdviceMarkdown(hostile);
    expect(text).toContain("octocat");
    for (const block of text.split("\n\n").filter((each) => each.startsWith("| "))) {
      const counts = block.split("\n").map((row) => row.split(/(?<!\\)\|/).length);
      expect(new Set(counts).size, block).toBe(1);
    }
    const shown = text.replaceAll(/(?<!`)(`+)(?!`)(?:[^\n]*?[^`\n])?\1(?!`)/g, "");
    expect(shown).not.toMatch(/[@#&][A-Za-z0-9]/);
    const tags = [...shown.matchAll(/(?<!\\)<[^>]*>/g)].map(([tag]) => tag);
    expect(tags[0]).toMatch(/^<!-- perfopt:cache-advice:[A-Za-z0-9._/;%-]+ -->$/);
    expect(new Set(tags.slice(1))).toEqual(
      new Set(["<details>", "<summary>", "</summary>", "</details>"]),
    );
    for (const each of [text, terminal(hostile)]) {
      expect(each).not.toContain("hunter2");
      expect(each).not.toContain("\u001b");
      expect(each).not.toContain("\u202e");
    }
  });

  it("fits a comment whatever there is", () => {
    const [prefix] = adviceOf().prefixes;
    const { http } = adviceOf();
    const [endpoint] = http?.endpoints ?? [];
    const long = "n".repeat(900);
    const text = cacheAdviceMarkdown(
      adviceOf({
        headline: long,
        prefixes: Array.from({ length: 900 }, (_, index) => ({
          ...(prefix ?? {
            gets: 0,
            keys: 0,
            bytes: 0,
            hitRate: 0,
            ceiling: 0,
            misses: bareAdvice.ceiling.misses,
          }),
          prefix: `${long}${index}`,
        })),
        reasons: Array.from({ length: 300 }, () => long),
        caveats: Array.from({ length: 300 }, () => long),
        movers: Array.from({ length: 300 }, () => ({ kind: "memory" as const, detail: long })),
        ...(http && endpoint
          ? {
              http: {
                ...http,
                endpoints: Array.from({ length: 500 }, (_, index) => ({
                  ...endpoint,
                  name: `${long}${index}`,
                  because: long,
                })),
              },
            }
          : {}),
      }),
    );
    expect(text.length).toBeGreaterThan(20_000);
    expect(text.length).toBeLessThanOrEqual(65_536);
    expect(text).toContain("884 more prefixes are in --json");
    expect(text).toContain("484 more endpoints in --json");
  });
});
