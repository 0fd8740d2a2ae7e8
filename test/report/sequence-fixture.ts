/** A sequence of two personas whose second sets a knob back that the first had raised, with and without the final check. */
import type { Entry, RunEvent } from "../../src/core/event.ts";
import type { SequenceJournals } from "../../src/report/sequence/summary.ts";
import { bulkRun } from "./bulk-fixture.ts";
import { journal, setKnob, slow, type State, type Writer } from "./journal-fixture.ts";
import { completeRun, nothingKeptRun } from "./runs.ts";

export const FIRST = "2026-11-20T10-00-00-speed-runner";
export const SECOND = "2026-11-20T10-20-00-data-analyst";

const personas = [
  { name: "speed-runner", title: "Speed Runner" },
  { name: "data-analyst", title: "Data Analyst" },
];

const turn = (
  persona: string,
  run: string,
  outcome: "completed" | "interrupted" = "completed",
): RunEvent => ({
  type: "sequence-run",
  persona,
  run,
  journal: `${run}/run.jsonl`,
  outcome,
  detail: "every phase ended",
});

function begin(): Writer {
  const writer = journal();
  writer.add({
    type: "sequence-started",
    command: ["perfopt", "run", "--persona", "all"],
    personas,
    target: "model-registry",
  });
  return writer;
}

function journals(entries: readonly Entry[], first: readonly Entry[]): SequenceJournals {
  const runs = new Map([
    [FIRST, first],
    [SECOND, bulkRun([setKnob("l1-ttl", 5_000, 0)])],
  ]);
  return { entries, journalOf: (run) => runs.get(run) };
}

/** What the second persona sets back has cost the first one all that it had won, and its memory. */
export function checkedSequence(): SequenceJournals {
  const writer = begin();
  writer.add(turn("speed-runner", FIRST));
  writer.add(turn("data-analyst", SECOND));
  const together: State = { ...slow, p95Ms: 287, queryMs: 39.5 };
  const effects = writer.pairs("check-speed-runner", 7, slow, together);
  writer.add({
    type: "sequence-checked",
    persona: "speed-runner",
    requestsPerSecond: 126,
    effects,
    pairs: 7,
  });
  writer.add({
    type: "warning",
    message: "the final check for Data Analyst was left out: the time left did not pay for it",
  });
  writer.add({ type: "run-finished", outcome: "completed", detail: "every persona had its turn" });
  return journals(writer.entries, completeRun());
}

/** Both had their turns; nothing was measured afterwards. */
export function uncheckedSequence(): SequenceJournals {
  const writer = begin();
  writer.add(turn("speed-runner", FIRST));
  writer.add(turn("data-analyst", SECOND));
  writer.add({ type: "run-finished", outcome: "completed", detail: "every persona had its turn" });
  return journals(writer.entries, completeRun());
}

/** The first kept nothing, so that the second's own confirmation covers all of it. */
export function lastOnlySequence(): SequenceJournals {
  return { ...uncheckedSequence(), journalOf: journals([], nothingKeptRun()).journalOf };
}

/** Ctrl-C in the first; the second's turn never came. */
export function interruptedSequence(first: readonly Entry[]): SequenceJournals {
  const writer = begin();
  writer.add(turn("speed-runner", FIRST, "interrupted"));
  writer.add({ type: "run-finished", outcome: "interrupted", detail: "the run was interrupted" });
  return journals(writer.entries, first);
}
