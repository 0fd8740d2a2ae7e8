/** `perfopt status`: what the runs of this machine left applied, and what is pending. */
import Table from "cli-table3";
import type { Command } from "commander";
import type { Entry } from "../core/event.ts";
import { changeKey } from "../core/knob.ts";
import { pendingUndo } from "../journal/pending.ts";
import { listRuns, type RunRecord } from "../journal/runs.ts";
import type { Context } from "./context.ts";
import { entriesOf, isDirty } from "./runs.ts";

/** Older runs are only shown when something of them is still applied. */
const RECENT = 5;

interface RunStatus {
  readonly run: string;
  /** Where the run was part of one. */
  readonly sequence?: string;
  readonly persona: string;
  readonly target: string;
  readonly journal: string;
  readonly state: "clean" | "applied" | "dirty" | "journal missing";
  readonly changes: readonly string[];
  readonly leftovers: readonly string[];
}

export function addStatus(program: Command, context: Context): void {
  program
    .command("status")
    .description("what is applied now, what is pending, and how to undo it")
    .option("--json", "machine output on stdout")
    .action(async (options: { json?: boolean }) => {
      const records = await listRuns(context.home);
      const all = await Promise.all(records.map(statusOf));
      const recent = records.filter((record) => record.kind === undefined).slice(-RECENT);
      const shown = all.filter(
        (each) =>
          each.changes.length > 0 ||
          each.state === "dirty" ||
          recent.some((record) => record.id === each.run),
      );
      context.out(options.json ? `${JSON.stringify(shown, null, 2)}\n` : `${statusText(shown)}\n`);
    });
}

async function statusOf(record: RunRecord): Promise<RunStatus> {
  const entries = await entriesOf(record);
  const pending = pendingUndo(entries ?? []);
  return {
    run: record.id,
    ...(record.sequence === undefined ? {} : { sequence: record.sequence }),
    persona: record.persona,
    target: record.target,
    journal: record.journalPath,
    state: stateOf(entries),
    changes: pending.changes.map(
      ({ change, state }) => `${changeKey(change)}${state === "half" ? " (half done)" : ""}`,
    ),
    leftovers: pending.resources.map((resource) => resource.id),
  };
}

function stateOf(entries: readonly Entry[] | undefined): RunStatus["state"] {
  if (!entries) return "journal missing";
  if (isDirty(entries)) return "dirty";
  return pendingUndo(entries).changes.length > 0 ? "applied" : "clean";
}

function sequencesOf(runs: readonly RunStatus[]): readonly string[] {
  return [...new Set(runs.flatMap(({ sequence }) => sequence ?? []))];
}

function statusText(runs: readonly RunStatus[]): string {
  if (runs.length === 0) return "No run was made on this machine yet: nothing is applied.";
  const table = new Table({
    head: ["run", "target", "state", "applied", "left behind"],
    style: { head: [], border: [] },
  });
  for (const run of runs) {
    table.push([
      run.run,
      run.target,
      run.state,
      run.changes.join("\n") || "nothing",
      run.leftovers.join("\n") || "nothing",
    ]);
  }
  const dirty = runs.filter((run) => run.state === "dirty");
  const applied = runs.filter((run) => run.state === "applied");
  const advice = [
    ...dirty.map(
      (run) => `${run.run} did not end: undo what it left with \`perfopt rollback ${run.run}\`.`,
    ),
    ...applied.map((run) => `To undo ${run.run}: \`perfopt rollback ${run.run}\`.`),
    ...sequencesOf(applied).map(
      (id) => `To undo all of the sequence ${id}: \`perfopt rollback ${id}\`.`,
    ),
  ];
  return [
    table.toString(),
    ...(advice.length > 0 ? advice : ["Nothing is applied; nothing is pending."]),
  ].join("\n");
}
