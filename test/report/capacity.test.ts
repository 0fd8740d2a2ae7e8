/** Capacity in the report: what is claimed of two unpaired measurements, and what is not. */
import { describe, expect, test } from "vitest";
import type { CapacityResult, OverloadResult } from "../../src/core/capacity.ts";
import type { Entry } from "../../src/core/event.ts";
import { renderReport } from "../../src/report/report.ts";
import { usersChange } from "../../src/report/capacity.ts";
import { after, before, searched, withCapacity } from "./capacity-fixture.ts";
import * as runs from "./runs.ts";

const options = { journalFile: "run.jsonl", rollbackCommand: "npx perfopt rollback the-run" };

function markdownOf(entries: readonly Entry[]): string {
  return renderReport(entries, options).markdown;
}

function rowOf(markdown: string, title: string): string {
  return markdown.split("\n").find((line) => line.startsWith(`| ${title} |`)) ?? "";
}

function reported(baseline: CapacityResult, kept: CapacityResult): string {
  return markdownOf(withCapacity(runs.completeRun(), baseline, kept));
}

test("a run without a capacity block says nothing of it", () => {
  expect(markdownOf(runs.completeRun())).not.toMatch(/## \d+\. Capacity|users within|overload/);
});

test("the section is as agreed", async () => {
  const markdown = markdownOf(runs.capacityRun());
  const from = markdown.indexOf(". Capacity:");
  const to = markdown.indexOf("\n## ", from);
  await expect(markdown.slice(from, to)).toMatchFileSnapshot("golden/capacitySection.md");
});

describe("the headline", () => {
  test("has both brackets, and no interval as if it were paired", () => {
    const row = rowOf(markdownOf(runs.capacityRun()), "concurrent users within the SLO");
    expect(row).toContain("| 218 | 464 |");
    expect(row).toContain("218 to 237, then 464 to 505: more, the brackets do not overlap");
    expect(row).toContain("| not paired | none |");
    expect(row).toContain("at least 500");
    expect(row).toContain("**missed**");
  });

  test("counts the goals of capacity", () => {
    expect(markdownOf(runs.capacityRun())).toContain("4 of 6 goals met, 2 missed");
  });

  test("of a run that kept nothing shows the baseline's as it is", () => {
    const markdown = markdownOf(runs.capacityOnceRun());
    expect(rowOf(markdown, "concurrent users within the SLO")).toMatch(/\| 218 \| at least 500 \|/);
    expect(markdown).toContain("nothing is kept, so before and after are the same");
  });

  test("claims nothing of what was kept when only the baseline was measured", () => {
    const unmeasured = ["capacity: how many users what was kept carries was not measured: no time"];
    const markdown = reported(before, { unmeasured });
    expect(rowOf(markdown, "concurrent users within the SLO")).toContain("**not measured**");
    expect(markdown).toContain("What could not be measured:");
  });
});

function credit(baseline: CapacityResult, kept: CapacityResult): string {
  const markdown = reported(baseline, kept);
  const section = markdown.slice(markdown.indexOf("Satisfaction of the persona"));
  return rowOf(section, "concurrent users within the SLO");
}

/** The goal's row when the window of overload reported other figures, or one of them not. */
function depthRow(changes: Partial<OverloadResult>, missing?: keyof OverloadResult): string {
  if (!after.overload) throw new Error("the fixture has an overload");
  const overload: OverloadResult = { ...after.overload, ...changes };
  if (missing !== undefined) Reflect.deleteProperty(overload, missing);
  return rowOf(reported(before, { ...after, overload }), "jobs waiting under overload");
}

describe("satisfaction", () => {
  test("is full for a goal that is met", () => {
    const met = {
      ...after,
      users: searched([
        [500, "holds", 150],
        [530, "breaks", 250],
      ]),
    };
    expect(credit(before, met)).toContain("| 1.000 | goal met |");
  });

  test("is part of the way only where the brackets do not overlap", () => {
    // (464 - 218) of (500 - 218).
    expect(credit(before, after)).toContain("| 0.872 | missed, part of the way |");
    const close = {
      ...after,
      users: searched([
        [230, "holds", 150],
        [250, "breaks", 250],
      ]),
    };
    expect(credit(before, close)).toContain("| 0.000 | missed, no improvement shown |");
  });
});

describe("a search that ended at one side", () => {
  test.each([
    ["nothing held, and the goal lies above", [[77, "breaks", 500]], "under 77", "**missed**"],
    [
      "nothing held, and the goal lies below",
      [[900, "breaks", 500]],
      "under 900",
      "**not measured**",
    ],
    ["nothing broke below the goal", [[300, "holds", 50]], "300 or more", "**not measured**"],
    ["nothing broke, and the goal held", [[700, "holds", 50]], "700 or more", "met"],
  ] as const)("%s", (_, tried, words, status) => {
    const markdown = reported(before, { ...after, users: searched(tried) });
    const shown = rowOf(markdown, "concurrent users within the SLO");
    expect(shown).toContain(`| ${words} |`);
    expect(shown).toContain(`| ${status} |`);
  });
});

describe("two brackets", () => {
  const one = searched([
    [100, "holds", 50],
    [110, "breaks", 300],
  ]);
  test.each([
    [
      [
        [110, "holds", 50],
        [120, "breaks", 300],
      ],
      "better",
    ],
    [
      [
        [109, "holds", 50],
        [300, "breaks", 300],
      ],
      "no change shown",
    ],
    [
      [
        [80, "holds", 50],
        [100, "breaks", 300],
      ],
      "worse",
    ],
    [[[400, "holds", 50]], "better"],
    [[[20, "breaks", 300]], "worse"],
  ] as const)("%j after 100 to 110: %s", (tried, reading) => {
    expect(usersChange(one, searched(tried))?.reading).toBe(reading);
  });

  test("an open end overlaps with everything above", () => {
    expect(
      usersChange(searched([[100, "holds", 50]]), searched([[900, "holds", 50]]))?.reading,
    ).toBe("no change shown");
  });
});

describe("jobs waiting under overload", () => {
  test("count only while jobs are served and none is given up on", () => {
    expect(depthRow({})).toMatch(/\| 500 \| 1420 \|.*\| met \|/);
    expect(depthRow({ deadLetters: 3 })).toContain("**missed**");
    expect(depthRow({}, "queueWaitP95Ms")).toContain("**not measured**");
    expect(depthRow({}, "deadLetters")).toContain("**not measured**");
    expect(depthRow({}, "queueDepthMax")).toContain("**not measured**");
  });
});

test("the chart shows both searches, the SLO, and is left out when no latency is limited", () => {
  const { charts } = renderReport(runs.capacityRun(), options);
  const chart = charts.find(({ file }) => file === "capacity-users.svg");
  expect(chart?.svg).toContain("everything kept");
  expect(chart?.svg).toContain("p95&lt;200ms");
  const silent = runs.capacityRun().map((entry) => {
    if (entry.event.type !== "run-started") return entry;
    const { persona } = entry.event;
    const users = persona.capacity?.users;
    if (!users) return entry;
    const capacity = { users: { ...users, slos: users.slos.slice(1) } };
    return { ...entry, event: { ...entry.event, persona: { ...persona, capacity } } };
  });
  const files = renderReport(silent, options).charts.map(({ file }) => file);
  expect(files).not.toContain("capacity-users.svg");
});

function asked(entries: readonly Entry[]): readonly Entry[] {
  return entries.map((entry) => {
    if (entry.event.type !== "run-started") return entry;
    const { persona } = entry.event;
    const goal = { metric: "api.goodputUnderOverload" as const, goal: 0.9, weight: 1 };
    return {
      ...entry,
      event: { ...entry.event, persona: { ...persona, capacityObjectives: [goal] } },
    };
  });
}

function withGoodput(overload: Partial<OverloadResult>): string {
  if (!before.overload || !after.overload) throw new Error("the fixture has an overload");
  return markdownOf(
    asked(
      withCapacity(
        runs.completeRun(),
        { ...before, overload: { ...before.overload, withinMs: 500, lateShare: 0.21 } },
        { ...after, overload: { ...after.overload, withinMs: 500, lateShare: 0, ...overload } },
      ),
    ),
  );
}

describe("goodput under overload", () => {
  const title = "goodput under overload, of the peak";

  test("is judged of what was kept, shown beside the baseline, and claims no difference", () => {
    const markdown = withGoodput({});
    const row = rowOf(markdown, title);
    // 211 of 403, and 470 of 489.
    expect(row).toContain("| 52.4 % | 96.1 % | one window each, which shows no difference |");
    expect(row).toContain("| not paired | none | at least 90 % |");
    expect(row).toContain("| met |");
    expect(markdown).toMatch(/The goal of goodput under overload is met when/);
    expect(markdown).not.toContain("The goal of jobs waiting under overload");
  });

  test("that is missed earns nothing for part of the way", () => {
    const markdown = withGoodput({ goodputPerSecond: 400 });
    expect(rowOf(markdown, title)).toContain("**missed**");
    expect(markdown).toContain("| 0.000 | missed, no improvement shown |");
  });

  test("without a peak is not measured", () => {
    expect(rowOf(withGoodput({ peakPerSecond: 0 }), title)).toContain("**not measured**");
  });

  test("says what in time means where it was counted, and how much came later", () => {
    const markdown = withGoodput({});
    expect(markdown).toContain(
      "| goodput: good answers, complete within 500 ms of being due | 211/s | 470/s |",
    );
    expect(markdown).toContain("| good answers that came later, of all requests | 21.0 % | 0 % |");
    expect(markdownOf(runs.capacityRun())).toContain("| goodput: good answers in time |");
  });
});
