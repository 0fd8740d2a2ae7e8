/** Settings that plans give a reason to change, by plans made by hand; what PostgreSQL does with them is in test/advise/aggregates. */
import { describe, expect, test } from "vitest";
import type { SettingsInput } from "../../../src/advise/planner-settings/idea.ts";
import { settingText } from "../../../src/advise/planner-settings/session.ts";
import { settingsAdvice } from "../../../src/advise/planner-settings/settings.ts";
import { GB, MB } from "../../tuners/views.ts";
import { executedPlan, node } from "../executed-plans.ts";

function adviceFor(more: Partial<SettingsInput>) {
  return settingsAdvice({
    executed: [],
    values: { "pg-work-mem": 4 * MB },
    hashMultiplier: 2,
    machineBytes: 8 * GB,
    sessions: { count: 20, of: "connections of the service's pool" },
    bufferHitRate: 0.999,
    canCompile: true,
    whatIf: [],
    ...more,
  });
}

const sort = (diskMb: number, rows = 1_000) =>
  executedPlan(
    node("Sort", rows, rows, { "Sort Space Type": "Disk", "Sort Space Used": diskMb * 1_024 }),
  );

describe("work_mem", () => {
  test("the next power of two above the largest that went to disk", () => {
    const { ideas } = adviceFor({ executed: [sort(10), sort(20)] });
    expect(ideas).toMatchObject([{ role: "pg-work-mem", to: 32 * MB }]);
    expect(ideas[0]?.evidence.join("\n")).toMatch(
      /wrote 20\.0 MB to disk; in memory it needs 24\.0 MB[^]*8\.00 GB of memory \/ \(20 connections of the service's pool x 2\) = 102 MB/,
    );
  });

  test("what all sessions can have at once is the limit, for the largest alone", () => {
    const { ideas } = adviceFor({ executed: [sort(10), sort(500)] });
    expect(ideas).toMatchObject([{ to: 16 * MB }]);
    expect(ideas[0]?.evidence.join("\n")).toMatch(/1 need more than every session can have/);
    const none = adviceFor({ executed: [sort(500)] });
    expect(none.ideas).toEqual([]);
    expect(none.notWorth[0]).toMatch(/needs 600 MB, more than every session can have/);
  });

  test("workers have their own: the largest part counts", () => {
    const workers = [
      { "Sort Space Type": "Disk", "Sort Space Used": 30 * 1_024, "Actual Rows": 10 },
    ];
    const plan = node("Sort", 10, 10, {
      "Sort Space Type": "Memory",
      "Sort Space Used": 9,
      Workers: workers,
    });
    expect(adviceFor({ executed: [executedPlan(plan)] }).ideas).toMatchObject([{ to: 64 * MB }]);
  });

  test("nothing on disk, nothing executed, no knob", () => {
    const quick = executedPlan(node("Sort", 10, 10, { "Sort Space Type": "Memory" }));
    expect(adviceFor({ executed: [quick] }).notWorth[0]).toMatch(/went to disk with 4\.00 MB/);
    expect(adviceFor({}).notWorth[0]).toMatch(/no statement could be executed/);
    expect(adviceFor({ values: {} })).toEqual({ ideas: [], notWorth: [] });
  });
});

const compiled = (totalMs: number, share: number) => ({
  ...executedPlan(node("Result", 1, 1), { executionMs: 100, jit: { functions: 9, totalMs } }),
  share,
});

describe("jit", () => {
  const values = { "pg-jit": true };
  test("off where compiling takes a tenth of the time and more, by what statements weigh", () => {
    const { ideas } = adviceFor({ values, executed: [compiled(60, 0.5), compiled(0, 0.5)] });
    expect(ideas).toMatchObject([{ role: "pg-jit", to: false }]);
    expect(ideas[0]?.hypothesis).toMatch(/30\.0 %/);
    const light = adviceFor({ values, executed: [compiled(60, 0.1), compiled(0, 0.9)] });
    expect(light.notWorth[0]).toMatch(/compiling takes 6\.0 %/);
  });

  test.each([
    ["it is off", { values: { "pg-jit": false } }, /off already/],
    ["it cannot compile", { values, canCompile: false }, /cannot compile/],
    ["nothing was compiled", { values }, /no plan was costly enough/],
  ] as const)("not where %s", (_, more, because) => {
    const executed = [executedPlan(node("Result", 1, 1))];
    expect(adviceFor({ executed, ...more }).notWorth[0]).toMatch(because);
  });
});

describe("page costs", () => {
  const values = { "pg-random-page-cost": 4 };
  const whatIf = [{ role: "pg-random-page-cost", to: 1.1, changed: ["1"] }] as const;
  const executed = [executedPlan(node("Result", 1, 1))];

  test("where data is in memory and plans change", () => {
    expect(adviceFor({ values, whatIf, executed }).ideas).toMatchObject([{ to: 1.1 }]);
  });

  test.each([
    ["blocks are read from disk", { bufferHitRate: 0.9 }, /90\.0 % of the blocks/],
    ["that was not measured", { bufferHitRate: undefined }, /not measured/],
    ["no plan changes", { whatIf: [{ ...whatIf[0], changed: [] }] }, /the same plans/],
    ["it is so already", { whatIf: [] }, /already/],
  ])("not where %s", (_, more, because) => {
    expect(adviceFor({ values, whatIf, executed, ...more }).notWorth[0]).toMatch(because);
  });
});

test("settings as PostgreSQL reads them", () => {
  expect([
    settingText(true, "bool"),
    settingText(8 * MB, "bytes"),
    settingText(1.1, "number"),
  ]).toEqual(["on", "8192kB", "1.1"]);
});
