import { describe, expect, it } from "vitest";
import { directionsText } from "../../src/report/sequence/conflicts.ts";
import { renderSequence } from "../../src/report/sequence/document.ts";
import { summariseSequence, type SequenceJournals } from "../../src/report/sequence/summary.ts";
import { SECRET } from "./journal-fixture.ts";
import { interruptedRun, unconfirmedRun } from "./runs.ts";
import {
  checkedSequence,
  FIRST,
  interruptedSequence,
  lastOnlySequence,
  SECOND,
  uncheckedSequence,
} from "./sequence-fixture.ts";

function markdownOf(journals: SequenceJournals): string {
  return renderSequence(journals, {
    journalFile: "sequence.jsonl",
    runFile: (run, file) => `${run}/${file}`,
    rollbackCommand: "npx perfopt rollback the-sequence",
  });
}

function section(markdown: string, title: string): string {
  const from = markdown.indexOf(`. ${title}`);
  expect(from, title).toBeGreaterThan(0);
  const to = markdown.indexOf("\n## ", from);
  return markdown.slice(from, to < 0 ? undefined : to);
}

const every: readonly (readonly [string, SequenceJournals])[] = [
  ["checked", checkedSequence()],
  ["unchecked", uncheckedSequence()],
  ["last only", lastOnlySequence()],
  ["interrupted", interruptedSequence(interruptedRun())],
  ["failed, with secrets", interruptedSequence(unconfirmedRun())],
  ["without the runs' journals", { ...checkedSequence(), journalOf: () => undefined }],
];

describe("the overall report", () => {
  it.each(every)("of one that is %s shows nothing broken and no secret", (_, journals) => {
    const markdown = markdownOf(journals);
    expect(markdown).not.toMatch(/\bNaN\b|\bundefined\b|Infinity|\[object|\bnull\b/);
    expect(markdown).not.toContain(SECRET);
    const titles = [...markdown.matchAll(/^## (\d+)\. /gm)].map(([, number]) => Number(number));
    expect(titles).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  });

  it("judges by the final check where there is one, else by the persona's own run", () => {
    const verdict = section(markdownOf(checkedSequence()), "Verdict");
    expect(verdict).toContain("**2 personas in sequence: 4 of 9 goals met, 5 missed.**");
    expect(verdict).toContain(
      "Speed Runner: 0 of 4 (not API p95, DB query, cache hit, index hit).",
    );
    expect(verdict).toContain("Data Analyst: 4 of 5 (not service memory, peak).");
    expect(verdict).toMatch(
      /\*\*Measured together, proven worse than before the sequence: DB query of Speed Runner \+1\d\.\d % \(95 % interval/,
    );
    const own = section(markdownOf(uncheckedSequence()), "Verdict");
    expect(own).toContain("**2 personas in sequence: 7 of 9 goals met, 2 missed.**");
    expect(own).toContain("**It was not measured together.**");
    expect(section(markdownOf(lastOnlySequence()), "Verdict")).toContain(
      "All of it is the last run's, whose own confirmation covers it; the goals of the others",
    );
  });

  it("lists the personas with goals, satisfaction and links to their reports", () => {
    const personas = section(markdownOf(checkedSequence()), "The personas");
    expect(personas).toMatch(
      new RegExp(
        String.raw`\| 1 \| Speed Runner \| completed \| 3 of 4 \| \d+\.\d % \| 0 of 4 \| 0 % \| 2 changes \| .* \| \[report\]\(${FIRST}/report\.md\), \[journal\]\(${FIRST}/run\.jsonl\) \|`,
      ),
    );
    expect(personas).toContain(`[report](${SECOND}/report.md)`);
  });

  it("has every objective of every run with its effect and the lines of its journal", () => {
    const goals = section(markdownOf(uncheckedSequence()), "Goals, as each run");
    expect(goals).toMatch(
      /\| Speed Runner \| API p95 \| \d+ ms \| \d+ ms \| -4\d\.\d % \| -[\d.]+ % to -[\d.]+ % \| 7 \| at most 200 ms \|.*\| met \(in 7 of 7 windows\) \| speed-runner journal \d+/,
    );
    expect(goals).toMatch(
      /\| Data Analyst \| bulk records\/s \| 8503\/s \| 12503\/s \| \+47\.1 % /,
    );
    expect(section(markdownOf(lastOnlySequence()), "Goals, as each run")).toMatch(
      /\| Speed Runner \| API p95 \| .* \| nothing kept \| none \| 0 \|/,
    );
    expect(section(markdownOf(uncheckedSequence()), "Everything together")).toContain(
      "**Not measured together.**",
    );
  });

  it("says where personas pull apart, and which gains did not last", () => {
    const conflicts = section(markdownOf(checkedSequence()), "Where personas pull apart");
    expect(conflicts).toContain(
      "`l1-ttl`: Speed Runner 0 s -> 5 s, then Data Analyst 5 s -> 0 s: **set back to where it was**.",
    );
    expect(conflicts).toContain("Speed Runner's own figures. After its run, Data Analyst kept ");
    expect(conflicts).toMatch(
      /Speed Runner, API p95: proven better in its own run, -4.* with everything together no change is shown/,
    );
    expect(conflicts).toMatch(
      /Speed Runner, DB query: \*\*proven worse than before the sequence\*\*/,
    );
    expect(section(markdownOf(uncheckedSequence()), "Where personas pull apart")).toContain(
      "**Its goals were not measured again with these.**",
    );
  });

  it("counts a knob from its first value to its last, and undoes all of it by one command", () => {
    const kept = section(markdownOf(checkedSequence()), "What was kept in all");
    expect(kept).not.toContain("`l1-ttl`");
    expect(kept).toMatch(/\| `batch-size` \| 100 \| 500 \| data-analyst journal \d+-\d+ \|/);
    expect(kept).toMatch(/\| index `runs_experiment_start_idx` .* \| speed-runner journal \d+/);
    expect(kept).toContain("npx perfopt rollback the-sequence");
    expect(kept).toContain("NODE_OPTIONS=");
    const { net } = summariseSequence(checkedSequence());
    expect(net.contested.map(({ knob }) => knob)).toEqual(["l1-ttl"]);
  });

  it("of an interrupted sequence covers what there was, and claims nothing else", () => {
    const markdown = markdownOf(interruptedSequence(interruptedRun()));
    expect(markdown.indexOf("**Partial report: the sequence was interrupted.**")).toBeLessThan(
      markdown.indexOf("## 1."),
    );
    expect(section(markdown, "Verdict")).toContain("Data Analyst: its turn never came.");
    expect(section(markdown, "What was kept in all")).toContain("nothing is changed");
    expect(section(markdown, "What was kept in all")).not.toContain("perfopt rollback");
  });

  it("refuses the journal of a run", () => {
    expect(() => markdownOf({ entries: interruptedRun(), journalOf: () => undefined })).toThrow(
      /no `sequence-started` line/,
    );
  });
});

function setting(from: number | boolean, to: number | boolean) {
  return { persona: "p", title: "P", from, to, seqs: [] };
}

describe("directions", () => {
  it.each([
    [[setting(1, 2), setting(2, 4)], "the same direction"],
    [[setting(1, 4), setting(4, 2)], "**opposite directions**"],
    [[setting(1, 4), setting(4, 1)], "**set back to where it was**"],
    [[setting(false, true), setting(true, false)], "**set back to where it was**"],
  ])("%j", (settings, words) => {
    expect(directionsText(settings)).toBe(words);
  });
});
