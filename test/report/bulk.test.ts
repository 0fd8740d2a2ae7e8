import { describe, expect, it } from "vitest";
import { renderReport } from "../../src/report/report.ts";
import { bulkRun } from "./bulk-fixture.ts";
import { completeRun } from "./runs.ts";

const options = { journalFile: "run.jsonl", rollbackCommand: "npx perfopt rollback the-run" };
const { markdown, charts } = renderReport(bulkRun(), options);

function section(title: string): string {
  const from = markdown.indexOf(`. ${title}`);
  expect(from, title).toBeGreaterThan(0);
  const to = markdown.indexOf("\n## ", from);
  return markdown.slice(from, to < 0 ? undefined : to);
}

describe("a report of bulk work", () => {
  it("has the objectives with their units, and judges them", () => {
    const verdict = section("Verdict");
    expect(verdict).toContain("**Data Analyst: 4 of 5 goals met, 1 missed.**");
    expect(verdict).toMatch(/\| bulk records\/s \| 8503\/s \| 12503\/s \| \+47\.1 % \|/);
    expect(verdict).toMatch(
      /\| garbage collections\/min \| 30\.0 \| 15\.0 \| -50\.0 % .*at most 15 /,
    );
    expect(verdict).toMatch(/\| service memory, peak \| 480 MB \| 480 MB .*\*\*missed\*\*/);
    expect(section("Satisfaction")).toContain(
      '"bulk records/s went from 8503/s to 12503/s. A step, but not there yet. I still miss 1 of 5: service memory, peak is 480 MB where I want at most 416 MB.',
    );
  });

  it("has a group for it in the overall results, which others have not", () => {
    expect(section("Overall results")).toMatch(
      /### Bulk work\n\n\| metric .*\n.*\n\| bulk records\/s/,
    );
    expect(renderReport(completeRun(), options).markdown).not.toContain("### Bulk work");
    expect(markdown).not.toContain("Capacity: users");
  });

  it("lists the tasks of the confirmation and of an observed window", () => {
    expect(section("Overall results")).toContain(
      "| import-metrics | ingest | 14, 14 | 0, 0 | 600 ms | 408 ms | 612 ms | 416 ms | 5000 records |",
    );
    expect(section("Overall results")).toContain(
      "| registry-report | report | 7, 7 | 7, 7 | 6.20 s | 4.60 s | 6.20 s | 4.60 s | 6.00 MB |",
    );
    expect(section("The phases")).toContain(
      String.raw`- registry-report (report): done 1 time, in 6.20 s, 6.00 MB each; 1 failed, the first with: 503 \<busy>`,
    );
  });

  it("shows two knobs that were searched together as a grid, the best in bold", () => {
    const phases = section("The phases");
    expect(phases).toContain("| `batch-parallel` \\ `batch-size` | 100 | 500 | 2000 | 20000 |");
    expect(phases).toMatch(/\| 1 \| 8504\/s \| 12005\/s \| 9507\/s \| - \|/);
    expect(phases).toMatch(/\| 2 \| - \| \*\*12006\/s\*\* \| 9508\/s \| 9509\/s \|/);
  });

  it("draws settings that span a lot on a logarithmic axis", () => {
    const curve = charts.find(({ file }) => file === "curve-1-batch-size.svg");
    expect(curve?.svg).toContain("batch-size, logarithmic");
    expect(charts.map(({ file }) => file)).toContain("confirm-batch-recordspersecond.svg");
  });

  it("says how to have options of Node, settings of PostgreSQL and statistics elsewhere", () => {
    const kept = section("Exact changes");
    expect(kept).toContain(
      'NODE_OPTIONS="$NODE_OPTIONS --max-semi-space-size=64"    # was without such a flag',
    );
    expect(kept).toContain(
      `ALTER ROLE "service_role" IN DATABASE "service_database" SET "work_mem" TO '32MB';    -- was 4MB`,
    );
    expect(kept).toContain(`SET "jit" TO 'off';    -- was on`);
    expect(kept).toContain(
      'CREATE STATISTICS "public"."perfopt_runs_status_stage_stats" (dependencies) ON "status", "stage" FROM "public"."runs";\nANALYZE "public"."runs";',
    );
    expect(kept).toContain('DROP STATISTICS IF EXISTS "public"."perfopt_runs_status_stage_stats";');
    expect(kept).toMatch(
      /\| statistics `perfopt_runs_status_stage_stats` on `public\.runs` \| absent \| created \|/,
    );
    expect(section("Verdict")).toContain(
      "statistics perfopt_runs_status_stage_stats on public.runs (status, stage)",
    );
  });

  it("says how few executions its figures are of", () => {
    expect(section("Environment")).toContain("(median: import-metrics 2, registry-report 1)");
  });

  it("shows nothing broken", () => {
    for (const text of [markdown, ...charts.map(({ svg }) => svg)])
      expect(text).not.toMatch(/\bNaN\b|\bundefined\b|Infinity|\[object|\bnull\b/);
  });
});
