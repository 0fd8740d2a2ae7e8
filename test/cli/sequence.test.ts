import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { contextOf } from "../../src/cli/context.ts";
import { jobsOf, type Job } from "../../src/cli/job.ts";
import { main } from "../../src/cli/main.ts";
import { readSequence } from "../../src/cli/sequence-report.ts";
import { toCheck } from "../../src/cli/sequence-check.ts";
import { shareMs, shareTime } from "../../src/cli/sequence-time.ts";
import type { Entry } from "../../src/core/event.ts";
import type { RunRecord } from "../../src/journal/runs.ts";
import * as fc from "../properties.ts";
import { FIRST, SECOND, checkedSequence, lastOnlySequence } from "../report/sequence-fixture.ts";

const ID = "2026-11-20T10-00-00-sequence";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "perfopt sequence "));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function run(...args: readonly string[]) {
  const printed = { out: "", err: "" };
  const code = await main(args, {
    ...contextOf(args),
    directory: folder,
    home: join(folder, "home"),
    out: (text) => void (printed.out += text),
    err: (text) => void (printed.err += text),
  });
  return { code, ...printed };
}

async function jobs(personas: readonly string[]): Promise<readonly Job[]> {
  const context = contextOf([]);
  context.close();
  return jobsOf(context, { persona: personas, seed: "1", output: "reports" });
}

describe("--dry-run of several personas", () => {
  test("prints every plan and the time of all, and --json has both", async () => {
    const text = await run("run", "--persona", "all", "--performance", "--seq", "--dry-run");
    expect(text.code).toBe(0);
    for (const title of ["Speed Runner on", "Multi-Tasker on", "Data Analyst on"])
      expect(text.out).toContain(title);
    expect(text.out).toMatch(/Each has its own budget: Speed Runner .*, Multi-Tasker .*, Data/);
    expect(text.out).toMatch(/Time in all: .* at most/);
    const json = await run("run", "--persona", "all", "--budget", "40m", "--dry-run", "--json");
    const { plans, time } = JSON.parse(json.out);
    expect(plans.map((plan: { persona: string }) => plan.persona)).toEqual([
      "speed-runner",
      "multi-tasker",
      "data-analyst",
    ]);
    expect(time).toMatchObject({ shared: true });
    expect(time.mostMs).toBeLessThanOrEqual(40 * 60_000);
  });

  test("one persona alone is what it was: an array of one plan", async () => {
    const { out } = await run("run", "--persona", "data-analyst", "--dry-run", "--json");
    expect(JSON.parse(out)).toMatchObject([{ persona: "data-analyst" }]);
    expect((await run("run", "--persona", "data-analyst", "--dry-run")).out).not.toContain(
      "In sequence",
    );
  });

  test.each([
    [["speed-runner", "speed-runner"], [], "named twice"],
    [["all"], ["--budget", "1m"], "for all 3 personas together"],
  ])("refuses %j %j", async (personas, more, message) => {
    const { code, err } = await run("run", "--persona", ...personas, "--dry-run", ...more);
    expect(code).toBe(2);
    expect(err).toContain(message);
  });
});

describe("the time", () => {
  test("of a common budget is shared by the personas' own, and adds up to it", async () => {
    const all = await jobs(["all"]);
    fc.assert(
      fc.property(fc.integer({ min: 300_000, max: 7_200_000 }), (totalMs) => {
        const { runsMs, checkMs } = shareTime(all, totalMs);
        expect(runsMs.reduce((sum, ms) => sum + ms, checkMs)).toBeCloseTo(totalMs, 3);
        expect(checkMs).toBeLessThanOrEqual(totalMs * 0.25);
        const own = all.map(({ persona }) => persona.budget.totalMs);
        expect(runsMs[0]! / runsMs[1]!).toBeCloseTo(own[0]! / own[1]!, 6);
      }),
    );
  });

  test("that a run leaves goes to the later ones", async () => {
    const all = await jobs(["all"]);
    const { runsMs, checkMs } = shareTime(all, 3_600_000);
    const left = shareMs(all, 1, 3_600_000 - checkMs, runsMs[0]! / 2);
    expect(left).toBeGreaterThan(runsMs[1]!);
    expect(shareMs(all, 2, 3_600_000 - checkMs, 3_600_000)).toBe(0);
  });

  test("is each persona's own without a common budget", async () => {
    const all = await jobs(["all"]);
    expect(shareTime(all, undefined).runsMs).toEqual(
      all.map(({ persona }) => persona.budget.totalMs),
    );
  });
});

function write(path: string, entries: readonly Entry[]): void {
  writeFileSync(path, entries.map((entry) => `${JSON.stringify(entry)}\n`).join(""));
}

/** A sequence as `run` leaves it: its folder, its runs' folders in it, and the machine's list. */
function writeSequence(journals = checkedSequence()): string {
  const place = join(folder, "reports", ID);
  mkdirSync(place, { recursive: true });
  write(join(place, "sequence.jsonl"), journals.entries);
  for (const id of [FIRST, SECOND]) {
    mkdirSync(join(place, id));
    write(join(place, id, "run.jsonl"), journals.journalOf(id) ?? []);
  }
  const record = (id: string, journal: string, more: Partial<RunRecord>): RunRecord => ({
    id,
    startedAt: "2026-11-20T10:00:00.000Z",
    persona: id,
    target: "model-registry",
    targetPath: join(folder, "target.yaml"),
    scale: undefined,
    seed: 1,
    journalPath: join(place, journal),
    ...more,
  });
  mkdirSync(join(folder, "home"), { recursive: true });
  const list = [
    record(ID, "sequence.jsonl", { kind: "sequence" }),
    record(FIRST, join(FIRST, "run.jsonl"), { sequence: ID }),
    record(SECOND, join(SECOND, "run.jsonl"), { sequence: ID }),
  ];
  writeFileSync(
    join(folder, "home", "runs.jsonl"),
    list.map((each) => `${JSON.stringify(each)}\n`).join(""),
  );
  return place;
}

describe("a finished sequence", () => {
  test.each([
    ["its id", () => ID],
    ["its folder", (place: string) => place],
  ])("is reported again by %s", async (_, nameOf) => {
    const place = writeSequence();
    const { code, out } = await run("report", nameOf(place));
    expect(code).toBe(0);
    expect(out.trim()).toBe(join(place, "report.md"));
    const markdown = readFileSync(join(place, "report.md"), "utf8");
    expect(markdown).toContain("perfopt overall report");
    expect(markdown).toContain(`[report](${FIRST}/report.md)`);
    expect(markdown).toContain(`npx perfopt rollback ${ID}`);
  });

  test("is reported elsewhere with links that still lead to its runs", async () => {
    writeSequence();
    const { out } = await run("report", ID, "--output", "elsewhere");
    expect(readFileSync(out.trim(), "utf8")).toContain(
      `[report](../reports/${ID}/${FIRST}/report.md)`,
    );
  });

  test("says in status how to undo a run, and all of it", async () => {
    writeSequence();
    const { out } = await run("status");
    expect(out).toContain(`To undo ${SECOND}: \`perfopt rollback ${SECOND}\`.`);
    expect(out).toContain(`To undo all of the sequence ${ID}: \`perfopt rollback ${ID}\`.`);
  });

  test("does not let an earlier run be undone under a later one that set the same knob", async () => {
    writeSequence();
    const { code, err } = await run("rollback", FIRST);
    expect(code).toBe(2);
    expect(err).toContain(`run ${SECOND} came after ${FIRST} and set l1-ttl again`);
    expect(err).toContain(`perfopt rollback ${ID}`);
  });

  test("is not undone under a later run that set the same knob", async () => {
    const place = writeSequence();
    const list = join(folder, "home", "runs.jsonl");
    const [, , second = ""] = readFileSync(list, "utf8").split("\n");
    const later: RunRecord = JSON.parse(second);
    appendFileSync(list, `${JSON.stringify({ ...later, id: "later", sequence: undefined })}\n`);
    const before = readFileSync(join(place, SECOND, "run.jsonl"), "utf8");
    const { code, err } = await run("rollback", ID);
    expect(code).toBe(2);
    expect(err).toContain(`run later came after ${ID} and set `);
    expect(err).toContain("perfopt rollback later");
    expect(readFileSync(join(place, SECOND, "run.jsonl"), "utf8")).toBe(before);
  });

  test("is checked for the personas that other runs' changes touch, where anything was kept", async () => {
    const both = await readSequence(join(writeSequence(), "sequence.jsonl"));
    expect(toCheck(both).map(({ name }) => name)).toEqual(["speed-runner", "data-analyst"]);
    rmSync(join(folder, "reports"), { recursive: true });
    const last = await readSequence(join(writeSequence(lastOnlySequence()), "sequence.jsonl"));
    expect(toCheck(last).map(({ name }) => name)).toEqual(["speed-runner"]);
  });
});
