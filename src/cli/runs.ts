/** Finding a run, or a sequence of runs, by id, folder or journal path; the last run when nothing is said. */
import { existsSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { PerfoptError } from "../core/errors.ts";
import type { Entry } from "../core/event.ts";
import { pendingUndo } from "../journal/pending.ts";
import { readJournal } from "../journal/read.ts";
import { listRuns, type RunRecord } from "../journal/runs.ts";
import type { Context } from "./context.ts";
import { SEQUENCE_JOURNAL } from "./sequence-report.ts";

export interface FoundRun {
  /** Absent for a journal that this machine's list of runs does not know. */
  readonly record: RunRecord | undefined;
  readonly journalPath: string;
}

/** Throws bad-input when there is no such run. Without a name: the last run, whatever was measured since. */
export async function findRun(context: Context, given: string | undefined): Promise<FoundRun> {
  const records = await listRuns(context.home);
  if (given === undefined) {
    const last = records.findLast((record) => record.kind === undefined);
    if (last) return { record: last, journalPath: last.journalPath };
    throw new PerfoptError(
      "bad-input",
      "no run was made on this machine yet",
      "start with `perfopt run --persona speed-runner`",
    );
  }
  const byId = records.find((record) => record.id === given);
  if (byId) return { record: byId, journalPath: byId.journalPath };
  const journalPath = journalOf(resolve(context.directory, given));
  if (journalPath) {
    return { record: records.find((record) => record.journalPath === journalPath), journalPath };
  }
  const known = records.slice(-3).map((record) => record.id);
  throw new PerfoptError(
    "bad-input",
    `there is no run ${given}: it is neither a run's id nor a folder or file with a journal`,
    known.length > 0
      ? `the last runs are ${known.join(", ")}`
      : "no run was made on this machine yet",
  );
}

function journalOf(path: string): string | undefined {
  if (!existsSync(path)) return undefined;
  if (!statSync(path).isDirectory()) return path;
  return ["run.jsonl", SEQUENCE_JOURNAL]
    .map((file) => join(path, file))
    .find((journal) => existsSync(journal));
}

/** What a run of the target left behind: it was killed, or an undo failed. */
async function dirtyRun(context: Context, target: string): Promise<RunRecord | undefined> {
  const records = (await listRuns(context.home)).filter((record) => record.target === target);
  for (const record of records.toReversed()) {
    const entries = await entriesOf(record);
    if (entries && isDirty(entries)) return record;
  }
  return undefined;
}

/** A run that ended has only changes that it kept; one that did not may have anything. */
export function isDirty(entries: readonly Entry[]): boolean {
  const ended = entries.some(
    ({ event }) => event.type === "run-finished" || event.type === "rolled-back",
  );
  const { changes, resources } = pendingUndo(entries);
  return resources.length > 0 || (!ended && changes.length > 0);
}

/** Throws dirty-target when an earlier run of the target left something behind. */
export async function refuseWhenDirty(context: Context, target: string): Promise<void> {
  const record = await dirtyRun(context, target);
  if (!record) return;
  throw new PerfoptError(
    "dirty-target",
    `run ${record.id} did not end: it was killed or is still going, and left things behind`,
    `wait for it, or undo what it left with \`perfopt rollback ${record.id}\``,
  );
}

/** The journal's entries; a run whose folder was deleted has none, which is said. */
export async function entriesOf(record: RunRecord): Promise<readonly Entry[] | undefined> {
  return existsSync(record.journalPath) ? readJournal(record.journalPath) : undefined;
}
