/** The overall report of a sequence, from its own journal and those of its runs beside it. */
import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { basename, dirname, join, relative } from "node:path";
import type { Entry } from "../core/event.ts";
import { readJournal } from "../journal/read.ts";
import { renderSequence } from "../report/sequence/document.ts";
import {
  summariseSequence,
  type SequenceJournals,
  type SequenceSummary,
} from "../report/sequence/summary.ts";

/** In the sequence's folder; its runs' folders lie beside it. */
export const SEQUENCE_JOURNAL = "sequence.jsonl";

export async function readSequence(journalPath: string): Promise<SequenceSummary> {
  return summariseSequence(await journalsOf(journalPath));
}

/** Writes report.md into a folder; returns its path. */
export async function writeSequenceReport(journalPath: string, folder: string): Promise<string> {
  const own = dirname(journalPath);
  const up = relative(folder, own);
  const markdown = renderSequence(await journalsOf(journalPath), {
    journalFile: linkTo(up, basename(journalPath)),
    runFile: (run, file) => linkTo(up, `${run}/${file}`),
    rollbackCommand: `npx perfopt rollback ${basename(own)}`,
  });
  await mkdir(folder, { recursive: true });
  const path = join(folder, "report.md");
  await writeFile(path, markdown);
  return path;
}

function linkTo(folder: string, file: string): string {
  return folder === "" ? file : `${folder.replaceAll("\\", "/")}/${file}`;
}

/** A run whose folder was deleted is shown without its figures. */
async function journalsOf(journalPath: string): Promise<SequenceJournals> {
  const entries = await readJournal(journalPath);
  const runs = new Map<string, readonly Entry[]>();
  for (const { event } of entries) {
    if (event.type !== "sequence-run" || event.run === undefined || event.journal === undefined)
      continue;
    const path = join(dirname(journalPath), event.journal);
    if (existsSync(path)) runs.set(event.run, await readJournal(path));
  }
  return { entries, journalOf: (run) => runs.get(run) };
}
