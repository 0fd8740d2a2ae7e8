import { describe, expect, it } from "vitest";
import type { Entry } from "../../src/core/event.ts";
import { renderReport } from "../../src/report/report.ts";
import { SECRET } from "./journal-fixture.ts";
import * as runs from "./runs.ts";

const options = { journalFile: "run.jsonl", rollbackCommand: "npx perfopt rollback the-run" };
const every = Object.entries(runs).map(([name, make]) => ({ name, entries: make() }));

function markdownOf(entries: readonly Entry[]): string {
  return renderReport(entries, options).markdown;
}

function section(markdown: string, title: string): string {
  const from = markdown.indexOf(`. ${title}`);
  expect(from, `the report has no section "${title}"`).toBeGreaterThan(0);
  const to = markdown.indexOf("\n## ", from);
  return markdown.slice(from, to < 0 ? undefined : to);
}

function edited(entries: readonly Entry[], edit: (entry: Entry) => Entry): readonly Entry[] {
  return entries.map(edit);
}

describe("the report's text", () => {
  it.each([runs.completeRun, runs.nothingKeptRun, runs.interruptedRun, runs.undoneRun])(
    "is as agreed: %o",
    async (make) => {
      await expect(markdownOf(make())).toMatchFileSnapshot(`golden/${make.name}.md`);
    },
  );

  it.each(every)("of $name shows no broken value and no secret", ({ entries }) => {
    const { markdown, charts } = renderReport(entries, options);
    for (const text of [markdown, ...charts.map((chart) => chart.svg)]) {
      expect(text).not.toMatch(/\bNaN\b|\bundefined\b|Infinity|\[object|\bnull\b/);
      expect(text).not.toContain(SECRET);
    }
  });

  it.each(every)("of $name links every chart that exists and no other", ({ entries }) => {
    const { markdown, charts } = renderReport(entries, options);
    const linked = new Set([...markdown.matchAll(/\]\(([^)]+\.svg)\)/g)].map(([, file]) => file));
    expect(linked).toEqual(new Set(charts.map((chart) => chart.file)));
    expect(linked.size).toBe(charts.length);
  });

  it.each(every)("of $name cites only lines that the journal has", ({ entries }) => {
    const known = new Set(entries.map((entry) => entry.seq));
    const cited = [...markdownOf(entries).matchAll(/(?<!`)journal ((?:\d+(?:-\d+)?(?:, )?)+)/g)];
    expect(cited.length).toBeGreaterThan(5);
    for (const [, ranges = ""] of cited)
      for (const number of ranges.matchAll(/\d+/g)) expect(known).toContain(Number(number[0]));
  });

  it.each(every)("of $name gives no effect without interval and pairs", ({ entries }) => {
    const markdown = markdownOf(entries);
    const headers = markdown
      .split("\n")
      .filter((line) => /^\| .*\b(before|incumbent)\b.*\| change \|/.test(line));
    for (const header of headers) expect(header).toMatch(/% interval \| pairs \|/);
    const sentences = markdown.match(
      /[+-][\d.]+ (?:%|points) \((?!95 % interval [^)]*; \d+ pairs; permutation p)/g,
    );
    expect(sentences).toBeNull();
  });

  it("refuses a journal without a run", () => {
    expect(() => renderReport([], options)).toThrow(/no `run-started` line/);
  });
});

describe("the headline", () => {
  it("holds numbers that the cited windows give", () => {
    const entries = runs.completeRun();
    const row = markdownOf(entries)
      .split("\n")
      .find((line) => line.startsWith("| API p95 | 2"))!;
    const cited = new Set(
      [...row.matchAll(/(\d+)-(\d+)/g)].flatMap(([, from, to]) =>
        Array.from({ length: Number(to) - Number(from) + 1 }, (_, index) => Number(from) + index),
      ),
    );
    const after = entries.flatMap(({ seq, event }) =>
      event.type === "sampled" &&
      event.role === "candidate" &&
      event.block === "confirm" &&
      cited.has(seq)
        ? [event.sample.metrics["api.latencyP95Ms"]!]
        : [],
    );
    expect(after).toHaveLength(7);
    const median = after.toSorted((a, b) => a - b)[3]!;
    expect(row).toContain(`| ${median.toFixed(0)} ms |`);
  });

  it("says which goals are missed, and the persona does not praise", () => {
    const markdown = markdownOf(runs.completeRun());
    expect(section(markdown, "Verdict")).toMatch(
      /\*\*Speed Runner: 3 of 4 goals met, 1 missed\.\*\*/,
    );
    expect(section(markdown, "Verdict")).toMatch(
      /\| cache hit \|.*\*\*missed\*\* \(in 0 of 7 windows\)/,
    );
    const satisfaction = section(markdown, "Satisfaction");
    expect(satisfaction).toContain("goals met: 3 of 4");
    expect(satisfaction).toContain(
      "I still miss 1 of 4: cache hit is 95.8 % where I want at least 98 %.",
    );
    expect(satisfaction).not.toContain("what I asked for");
  });

  it("claims nothing when nothing was kept", () => {
    const verdict = section(markdownOf(runs.nothingKeptRun()), "Verdict");
    expect(verdict).toContain("Nothing was kept: the service is as it was.");
    expect(verdict).not.toMatch(/[+-][\d.]+ %|proven better|interval/);
    expect(section(markdownOf(runs.nothingKeptRun()), "Exact changes")).toContain(
      "There is nothing to undo.",
    );
  });

  it.each([runs.interruptedRun, runs.killedRun, runs.unconfirmedRun])(
    "claims nothing without a confirmation",
    (make) => {
      const markdown = markdownOf(make());
      expect(markdown.indexOf("**Partial report")).toBeLessThan(markdown.indexOf("## 1."));
      expect(section(markdown, "Verdict")).toContain("**No headline");
      expect(section(markdown, "Verdict")).not.toMatch(/[+-][\d.]+ %|\bmet \(/);
      expect(section(markdown, "Satisfaction")).toContain("**Satisfaction: not measured.**");
    },
  );

  it("is of the unchanged service when the confirmation led to undoing everything", () => {
    const markdown = markdownOf(runs.undoneRun());
    expect(markdown).toContain("> **Undone.**");
    expect(section(markdown, "Verdict")).toContain("were worse together and were undone");
    expect(section(markdown, "Verdict")).toContain("1 kept (and undone again)");
    expect(section(markdown, "Overall")).toMatch(/Proven worse:\n\n- API p50 \+/);
  });

  it("says that a run was rolled back later, and lists nothing as applied", () => {
    const markdown = markdownOf(runs.rolledBackRun());
    expect(markdown).toContain("**Rolled back later.**");
    expect(section(markdown, "Exact changes")).toContain("every change was taken back");
    expect(section(markdown, "Exact changes")).not.toContain("POOL_MAX");
  });

  it("says so when the target's state is unknown, and names the command", () => {
    const markdown = markdownOf(runs.killedRun());
    expect(markdown).toContain("**1 change with an unknown state.**");
    expect(section(markdown, "Exact changes")).toContain("It is not known what is applied");
    expect(section(markdown, "Exact changes")).toContain(options.rollbackCommand);
  });

  it("counts a metric that the confirmation lacks as not measured, not as met", () => {
    const entries = edited(runs.completeRun(), (entry) => {
      const { event } = entry;
      if (event.type === "sampled" && event.block === "confirm" && event.role === "candidate") {
        const { "db.indexHitRate": _, ...metrics } = event.sample.metrics;
        return { ...entry, event: { ...event, sample: { ...event.sample, metrics } } };
      }
      if (event.type === "confirmed")
        return {
          ...entry,
          event: {
            ...event,
            effects: event.effects.filter((each) => each.metric !== "db.indexHitRate"),
          },
        };
      return entry;
    });
    const verdict = section(markdownOf(entries), "Verdict");
    expect(verdict).toContain("2 of 4 goals met, 1 missed, 1 not measured");
    expect(verdict).toMatch(
      /\| index hit \| not measured \| not measured \| not measured \| not measured \| 0 \|.*\*\*not measured\*\*/,
    );
  });

  it.each([Infinity, Number.NaN])("does not print an effect of %d", (estimate) => {
    const entries = edited(runs.completeRun(), (entry) => {
      if (entry.event.type !== "confirmed") return entry;
      const effects = entry.event.effects.map((each) =>
        each.metric === "api.latencyP95Ms" ? { ...each, estimate } : each,
      );
      return { ...entry, event: { ...entry.event, effects } };
    });
    const verdict = section(markdownOf(entries), "Verdict");
    expect(verdict).toContain("API p95: no paired effect, not measured in the confirmation.");
    expect(verdict).not.toMatch(/NaN|null|Infinity/);
  });
});

describe("the sections", () => {
  const markdown = markdownOf(runs.completeRun());

  it("are numbered consecutively", () => {
    const numbers = [...markdown.matchAll(/^## (\d+)\. /gm)].map(([, number]) => Number(number));
    expect(numbers).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  });

  it("name the strategies that this version cannot run", () => {
    expect(section(markdown, "Strategy")).toContain("**This version cannot run Edge cache.**");
    expect(section(markdown, "The phases")).toContain("Edge cache: cannot run in this version");
  });

  it("list every candidate that was not kept, with its reason", () => {
    const tried = section(markdown, "Tried and not kept");
    expect(tried).toMatch(
      /l1-ttl-20s .*inconclusive.*could have proven an effect of 3\.1 % or more/,
    );
    expect(tried).toMatch(/index-metrics .*not measured .*could not be carried out/);
    expect(tried).toMatch(/pool-30 .*a constraint was broken/);
    expect(tried).toMatch(/maxmemory-1gb .*proven worse/);
    expect(tried).not.toContain("index-runs");
  });

  it("name what got worse", () => {
    expect(section(markdown, "Overall")).toMatch(/Proven worse:\n\n- service memory \+12/);
  });

  it("give the kept changes as environment, SQL and the way back", () => {
    const changes = section(markdown, "Exact changes");
    expect(changes).toContain("CACHE_L1_TTL_SECONDS=5    # was 0");
    expect(changes).toContain(
      'CREATE INDEX CONCURRENTLY "runs_experiment_start_idx" ON "public"."runs" ("experiment_id", "start_time" DESC);',
    );
    expect(changes).toContain(
      'DROP INDEX CONCURRENTLY IF EXISTS "public"."runs_experiment_start_idx";',
    );
    expect(changes).toContain(options.rollbackCommand);
  });

  it("report a journal whose effects do not follow from its windows", () => {
    expect(markdown).toMatch(/98 agree, 0 do not/);
    const tampered = edited(runs.completeRun(), (entry) =>
      entry.event.type === "confirmed"
        ? {
            ...entry,
            event: {
              ...entry.event,
              effects: entry.event.effects.map((each) => ({
                ...each,
                candidateMedian: each.candidateMedian * 0.9,
              })),
            },
          }
        : entry,
    );
    expect(markdownOf(tampered)).toContain(
      "**Disagreement:** Confirm, API p95: the effect's medians are not those of its windows.",
    );
  });

  it("keep text of others from becoming markup", () => {
    expect(section(markdown, "The phases")).toContain(String.raw`scan of ${"`runs`"} \<by far>`);
    expect(section(markdown, "The phases")).toContain(
      String.raw`start_time < $2 | x`.replace("<", String.raw`\<`).replace("|", String.raw`\|`),
    );
  });
});
