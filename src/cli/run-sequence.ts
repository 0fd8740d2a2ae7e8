/** `perfopt run` for several personas: one run after another, a final check of everything together, one overall report. */
import { mkdir } from "node:fs/promises";
import { join, relative } from "node:path";
import { DirtyTargetError, messageOf, PerfoptError, redactSecrets } from "../core/errors.ts";
import type { RunEvent } from "../core/event.ts";
import { openJournal } from "../journal/journal.ts";
import { registerRun } from "../journal/runs.ts";
import { finalObjectives, type SequenceSummary } from "../report/sequence/summary.ts";
import { changesOf } from "../report/changes.ts";
import type { Context } from "./context.ts";
import { planOf, type Job } from "./job.ts";
import { refuseWhenDirty } from "./runs.ts";
import { readSequence, SEQUENCE_JOURNAL, writeSequenceReport } from "./sequence-report.ts";
import { checkSequence, toCheck } from "./sequence-check.ts";
import { shareMs, shareTime } from "./sequence-time.ts";
import { runPersona, type RunResult } from "./session.ts";

/** On stdout with --json. `runs` is what one persona's run prints as its array. */
export interface SequenceResult {
  readonly runs: readonly RunResult[];
  readonly overall: {
    readonly sequence: string;
    readonly report: string;
    readonly journal: string;
    readonly outcome: SequenceSummary["outcome"];
    readonly personas: readonly {
      readonly persona: string;
      readonly run?: string;
      readonly outcome: "completed" | "interrupted" | "failed" | "not begun";
      readonly goals: number;
      /** With everything together where that was measured, else of its own run. */
      readonly goalsMet: number;
      /** 0 to 1, of its own run; absent: not measured. */
      readonly satisfaction?: number;
      /** With everything together; absent: not measured. */
      readonly satisfactionTogether?: number;
      readonly checked: boolean;
    }[];
    /** In all, over the sequence. */
    readonly kept: ReturnType<typeof changesOf>;
    readonly contested: readonly string[];
    readonly rollback: string;
  };
}

/** What went wrong in one persona's turn. */
interface Failure {
  readonly title: string;
  readonly error: unknown;
}

interface Sequence {
  readonly id: string;
  readonly folder: string;
  readonly journalPath: string;
  readonly note: (event: RunEvent) => Promise<void>;
  readonly jobs: readonly Job[];
  /** For the whole; undefined: each persona has its own. */
  readonly totalMs: number | undefined;
  readonly started: number;
}

/**
 * Prints the reports' paths, or the result as JSON, whatever happened; then throws the worst of the errors. A persona whose run fails
 * does not stop the others; an interrupt and a target left dirty do.
 */
export async function runSequence(
  context: Context,
  jobs: readonly Job[],
  { totalMs, json }: { readonly totalMs: number | undefined; readonly json: boolean },
): Promise<void> {
  const time = shareTime(jobs, totalMs);
  const [first] = jobs;
  if (!first) throw new Error("a sequence has jobs");
  await refuseWhenDirty(context, first.target.name);
  const started = performance.now();
  const startedAt = new Date().toISOString();
  const id = `${startedAt.slice(0, 19).replaceAll(":", "-")}-sequence`;
  const folder = join(first.outputDirectory, id);
  await mkdir(folder, { recursive: true });
  const journal = await openJournal(join(folder, SEQUENCE_JOURNAL));
  const journalPath = journal.path;
  const note = (event: RunEvent) => journal.append(event);
  const sequence: Sequence = { id, folder, journalPath, note, jobs, totalMs, started };
  const results: RunResult[] = [];
  let failures: readonly Failure[] = [];
  try {
    await registerRun(context.home, recordOf(sequence, first, startedAt));
    await note(startOf(context, sequence));
    failures = await runAll(context, sequence, time.checkMs, results);
    failures = [...failures, ...(await checked(context, sequence, time.checkMs, failures))];
    await note(endOf(failures));
  } finally {
    await journal.close();
  }
  const report = await writeSequenceReport(journalPath, folder);
  if (json) {
    const overall = await overallOf(context, sequence, report);
    context.out(
      `${JSON.stringify({ runs: results, overall } satisfies SequenceResult, null, 2)}\n`,
    );
  } else {
    for (const result of results) context.out(`${result.report}\n`);
    context.out(`${relative(context.directory, report)}\n`);
  }
  throwWorst(failures);
}

/** Throws bad-input when a persona is named twice. */
export function refuseTwice(jobs: readonly Job[]): void {
  const names = jobs.map(({ persona }) => persona.name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice === undefined) return;
  throw new PerfoptError(
    "bad-input",
    `--persona: ${twice} is named twice`,
    "name each persona once: its second run would find little left to do",
  );
}

function recordOf({ id, journalPath }: Sequence, { target, scale, seed }: Job, startedAt: string) {
  return {
    kind: "sequence",
    id,
    startedAt,
    persona: "sequence",
    target: target.name,
    targetPath: target.path,
    scale,
    seed,
    journalPath,
  } as const;
}

function startOf(context: Context, { jobs, totalMs }: Sequence): RunEvent {
  return {
    type: "sequence-started",
    command: ["perfopt", ...context.args],
    personas: jobs.map(({ persona: { name, title } }) => ({ name, title })),
    target: jobs[0]?.target.name ?? "",
    ...(totalMs === undefined ? {} : { budgetMs: totalMs }),
  };
}

/** `results` grows run by run, so that what completed is printed whatever comes. */
async function runAll(
  context: Context,
  sequence: Sequence,
  checkMs: number,
  results: RunResult[],
): Promise<readonly Failure[]> {
  const failures: Failure[] = [];
  const { jobs, note, folder, id } = sequence;
  for (const [index, job] of jobs.entries()) {
    const { name, title } = job.persona;
    context.err(
      `\n${context.style.strong(`Persona ${index + 1} of ${jobs.length}: ${title}`)}${index === 0 ? "" : ", beginning with what the earlier ones kept"}\n`,
    );
    let begun: { readonly run?: string; readonly journal?: string } = {};
    const onBegun = (run: string) => void (begun = { run, journal: `${run}/run.jsonl` });
    try {
      const budgetMs = budgetOf(sequence, index, checkMs);
      const here = { ...job, budgetMs, outputDirectory: folder };
      const result = await runPersona(context, here, planOf, { sequence: id, onBegun });
      results.push(result);
      const { detail } = result;
      await note({ type: "sequence-run", persona: name, ...begun, outcome: "completed", detail });
    } catch (error) {
      const outcome = context.signal.aborted ? "interrupted" : "failed";
      const detail = redactSecrets(messageOf(error));
      await note({ type: "sequence-run", persona: name, ...begun, outcome, detail });
      failures.push({ title, error });
      if (stops(error)) return failures;
      context.err(`${context.style.bad("failed:")} ${title}: ${detail}\n`);
    }
  }
  return failures;
}

function budgetOf({ jobs, totalMs, started }: Sequence, index: number, checkMs: number): number {
  const job = jobs[index];
  if (totalMs === undefined) return job?.persona.budget.totalMs ?? 0;
  const usedMs = index === 0 ? 0 : performance.now() - started;
  const shared = shareMs(jobs, index, totalMs - checkMs, usedMs);
  if (shared >= 10_000) return shared;
  throw new PerfoptError(
    "cannot-measure",
    "the budget was used up before its turn came",
    "give more by --budget, or run this persona alone",
  );
}

/** After these the target's state is unknown, or nobody wants the rest. */
function stops(error: unknown): boolean {
  return (
    error instanceof DirtyTargetError ||
    (error instanceof PerfoptError &&
      (error.code === "interrupted" || error.code === "dirty-target"))
  );
}

/** A check that cannot be made is a warning in the report, and no reason to call the runs failed. */
async function checked(
  context: Context,
  sequence: Sequence,
  checkMs: number,
  failures: readonly Failure[],
): Promise<readonly Failure[]> {
  const { id, note, jobs, journalPath, totalMs, started } = sequence;
  if (failures.some(({ error }) => stops(error))) return [];
  const summary = await readSequence(journalPath);
  if (toCheck(summary).length === 0) return [];
  // What the runs left of a common budget is the check's.
  const now = performance.now();
  const deadline = totalMs === undefined ? now + checkMs : started + totalMs;
  try {
    await checkSequence(context, jobs, { id, note, summary }, deadline);
    return [];
  } catch (error) {
    if (stops(error)) return [{ title: "The final check", error }];
    await note({
      type: "warning",
      message: `the final check could not be made: ${redactSecrets(messageOf(error))}`,
    });
    return [];
  }
}

function endOf(failures: readonly Failure[]): RunEvent {
  const stopped = failures.find(({ error }) => stops(error));
  const interrupted =
    stopped?.error instanceof PerfoptError && stopped.error.code === "interrupted";
  return {
    type: "run-finished",
    outcome: stopped === undefined ? "completed" : interrupted ? "interrupted" : "failed",
    detail:
      failures.length === 0
        ? "every persona had its turn"
        : failures
            .map(({ title, error }) => `${title}: ${redactSecrets(messageOf(error))}`)
            .join("; "),
  };
}

async function overallOf(
  context: Context,
  { id, journalPath }: Sequence,
  report: string,
): Promise<SequenceResult["overall"]> {
  const { parts, net, outcome } = await readSequence(journalPath);
  return {
    sequence: id,
    report: relative(context.directory, report),
    journal: relative(context.directory, journalPath),
    outcome,
    personas: parts.map((part) => {
      const objectives = finalObjectives(part);
      const run = part.turn?.event.run;
      const own = part.summary?.satisfaction?.score;
      const together = part.check?.satisfaction?.score;
      return {
        persona: part.name,
        ...(run === undefined ? {} : { run }),
        outcome: part.turn?.event.outcome ?? "not begun",
        goals: objectives.length,
        goalsMet: objectives.filter(({ status }) => status === "met").length,
        ...(own === undefined ? {} : { satisfaction: own }),
        ...(together === undefined ? {} : { satisfactionTogether: together }),
        checked: part.check !== undefined,
      };
    }),
    kept: changesOf(net.changes),
    contested: net.contested.map(({ knob }) => knob),
    rollback: `npx perfopt rollback ${id}`,
  };
}

/** Interrupts first, then a dirty target, a defect of perfopt, what could not be measured, bad input: as their exit codes go. */
function throwWorst(failures: readonly Failure[]): void {
  const order = ["bad-input", "cannot-measure", "defect", "dirty-target", "interrupted"];
  const rank = ({ error }: Failure) =>
    order.indexOf(error instanceof PerfoptError ? error.code : "defect");
  const worst = failures.toSorted((a, b) => rank(b) - rank(a))[0];
  if (!worst) return;
  const { title, error } = worst;
  if (!(error instanceof PerfoptError) || stops(error)) throw error;
  throw new PerfoptError(error.code, `${title}: ${error.message}`, error.hint, { cause: error });
}
