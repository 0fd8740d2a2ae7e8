/** `perfopt report RUN`: the report again, from the journal alone; of a sequence, the overall one. */
import { mkdir, writeFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import type { Command } from "commander";
import { readJournal } from "../journal/read.ts";
import { renderReport } from "../report/report.ts";
import type { Context } from "./context.ts";
import { findRun } from "./runs.ts";
import { writeSequenceReport } from "./sequence-report.ts";

export function addReport(program: Command, context: Context): void {
  program
    .command("report")
    .argument("[run]", "a run's or a sequence's id, folder or journal; the last run when absent")
    .option("--output <folder>", "where to write it; beside the journal when absent")
    .description("write the report of a run or a sequence again, from its journal")
    .action(async (given: string | undefined, options: { output?: string }) => {
      const { journalPath } = await findRun(context, given);
      const folder =
        options.output === undefined
          ? dirname(journalPath)
          : resolve(context.directory, options.output);
      const entries = await readJournal(journalPath);
      const isSequence = entries.some(({ event }) => event.type === "sequence-started");
      const write = isSequence ? writeSequenceReport : writeReport;
      context.out(`${await write(journalPath, folder)}\n`);
    });
}

/** Reads a journal, writes report.md and its charts into a folder; returns the report's path. */
export async function writeReport(journalPath: string, folder: string): Promise<string> {
  const entries = await readJournal(journalPath);
  const run = basename(dirname(journalPath));
  const { markdown, charts } = renderReport(entries, {
    journalFile: basename(journalPath),
    rollbackCommand: `npx perfopt rollback ${run}`,
  });
  await mkdir(folder, { recursive: true });
  for (const chart of charts) await writeFile(join(folder, chart.file), chart.svg);
  const path = join(folder, "report.md");
  await writeFile(path, markdown);
  return path;
}
