/** `perfopt rollback`: undoes what a run left applied, and removes what a killed run left running. */
import type { Command } from "commander";
import { DirtyTargetError, messageOf, PerfoptError } from "../core/errors.ts";
import { changeKey } from "../core/knob.ts";
import type { TargetFile } from "../core/target-file.ts";
import { reopenJournal, type OpenJournal } from "../journal/journal.ts";
import { pendingUndo, type Pending } from "../journal/pending.ts";
import { readJournal } from "../journal/read.ts";
import { listRuns, type RunRecord } from "../journal/runs.ts";
import { loadTarget } from "../profiles/target.ts";
import { openTarget } from "../target/live.ts";
import { removeResources } from "../target/recover.ts";
import { openSource, type Source } from "../target/source.ts";
import type { Context } from "./context.ts";
import { progressOf, type Progress } from "./progress.ts";
import { entriesOf, findRun } from "./runs.ts";

export function addRollback(program: Command, context: Context): void {
  program
    .command("rollback")
    .argument("[run]", "a run's or a sequence's id or folder; the last run when absent")
    .description("undo what a run left applied, also after a crash; verified")
    .option("--json", "machine output on stdout")
    .action(async (given: string | undefined, options: { json?: boolean }) => {
      const { record, journalPath } = await findRun(context, given);
      if (!record) {
        throw new PerfoptError(
          "bad-input",
          `${journalPath} is not a run of this machine, so there is nothing here to undo`,
          "roll back where the run was made; `perfopt status` lists the runs of this machine",
        );
      }
      const done =
        record.kind === "sequence"
          ? await rollbackSequence(context, record)
          : await rollbackOne(context, record);
      const what = record.kind === "sequence" ? "Sequence" : "Run";
      const text = [`${what} ${record.id}:`, ...done.map((line) => `  ${line}`)].join("\n");
      context.out(
        options.json ? `${JSON.stringify({ run: record.id, done }, null, 2)}\n` : `${text}\n`,
      );
      if (record.sequence !== undefined) {
        context.err(
          `It was part of a sequence; \`perfopt rollback ${record.sequence}\` undoes all of that.\n`,
        );
      }
    });
}

/** What its final check left running, then its runs, the last first: each finds the knobs as it left them. */
async function rollbackSequence(context: Context, sequence: RunRecord): Promise<readonly string[]> {
  const runs = (await listRuns(context.home)).filter((run) => run.sequence === sequence.id);
  await refuseUnderLater(context, sequence, runs);
  const done = [...(await rollback(context, sequence))];
  for (const run of runs.toReversed()) {
    done.push(`run ${run.id}:`, ...(await rollback(context, run)).map((line) => `  ${line}`));
  }
  return done;
}

async function rollbackOne(context: Context, record: RunRecord): Promise<readonly string[]> {
  await refuseUnderLater(context, record, [record]);
  return rollback(context, record);
}

/** Undoing sets a knob to what the run found, which would overwrite what a later run set it to, and be overwritten when that is undone. */
async function refuseUnderLater(
  context: Context,
  record: RunRecord,
  undone: readonly RunRecord[],
): Promise<void> {
  const records = await listRuns(context.home);
  const after = records.slice(records.findIndex(({ id }) => id === record.id) + 1);
  const others = after.filter(
    ({ id, target }) => target === record.target && undone.every((each) => each.id !== id),
  );
  const knobs = (await Promise.all(undone.map(appliedKnobs))).flat();
  for (const later of others.toReversed()) {
    const both = (await appliedKnobs(later)).filter((knob) => knobs.includes(knob));
    if (both.length === 0) continue;
    throw new PerfoptError(
      "bad-input",
      `run ${later.id} came after ${record.id} and set ${[...new Set(both)].join(", ")} again`,
      later.sequence !== undefined && later.sequence === record.sequence
        ? `undo both by \`perfopt rollback ${later.sequence}\`, or the later one first`
        : `undo the later one first: \`perfopt rollback ${later.id}\``,
    );
  }
}

async function appliedKnobs(record: RunRecord): Promise<readonly string[]> {
  const { changes } = pendingUndo((await entriesOf(record)) ?? []);
  return changes.flatMap(({ change }) => (change.kind === "set-knob" ? [change.knob] : []));
}

async function rollback(context: Context, record: RunRecord): Promise<readonly string[]> {
  const pending = pendingUndo(await readJournal(record.journalPath));
  if (pending.changes.length === 0 && pending.resources.length === 0) {
    return ["nothing was applied and nothing was left behind"];
  }
  const progress = progressOf(context);
  try {
    return await undo(context, record, pending, progress);
  } finally {
    progress.stop();
  }
}

async function undo(
  context: Context,
  record: RunRecord,
  pending: Pending,
  progress: Progress,
): Promise<readonly string[]> {
  const targetFile = await loadTarget(record.targetPath, { env: context.env, sendsLoad: false });
  progress.say("starting PostgreSQL");
  const source = await openSource({
    targetFile,
    home: context.home,
    scale: record.scale ?? "",
    seed: record.seed,
    environment: context.env,
    purpose: "bench",
    onProgress: progress.say,
    signal: context.signal,
  });
  try {
    const journal = await reopenJournal(record.journalPath);
    try {
      return await undoEach(context, { targetFile, source, journal, pending, progress });
    } finally {
      await journal.close();
    }
  } finally {
    await source.close();
  }
}

interface Undoing {
  readonly targetFile: TargetFile;
  readonly source: Source;
  readonly journal: OpenJournal;
  readonly pending: Pending;
  readonly progress: Progress;
}

async function undoEach(
  context: Context,
  { targetFile, source, journal, pending, progress }: Undoing,
) {
  const done: string[] = [];
  progress.say("removing processes, databases and folders that the run left");
  done.push(
    ...(await removeResources(pending.resources, {
      home: context.home,
      adminUrl: source.adminUrl,
    })),
  );
  for (const resource of pending.resources) {
    await journal.append({ type: "resource-removed", resourceId: resource.id });
  }
  // Undoing goes on when it is interrupted: half undone is worse.
  const target = await openTarget({
    targetFile,
    home: context.home,
    source,
    environment: context.env,
    signal: new AbortController().signal,
  });
  for (const { changeId, change } of pending.changes) {
    progress.say(`undoing ${changeKey(change)}`);
    await journal.append({ type: "change-reverting", changeId });
    const detail = await target.revert(change).catch((error: unknown) => {
      throw new DirtyTargetError(`could not undo ${changeKey(change)}: ${messageOf(error)}`, {
        cause: error,
      });
    });
    await journal.append({ type: "change-reverted", changeId, detail });
    done.push(`undone: ${changeKey(change)} (${detail})`);
  }
  const detail = `${pending.changes.length} changes undone, ${pending.resources.length} leftovers removed`;
  await journal.append({ type: "rolled-back", detail });
  return [...done, detail];
}
