/** `perfopt run`: the whole loop for one persona or several, one after another. */
import { createInterface } from "node:readline/promises";
import { Option, type Command } from "commander";
import { PerfoptError } from "../core/errors.ts";
import type { TargetFile } from "../core/target-file.ts";
import type { Context } from "./context.ts";
import { jobsOf, planOf, planText, type Job, type RunOptions } from "./job.ts";
import { BUSY_MACHINE } from "./load.ts";
import { refuseTwice, runSequence } from "./run-sequence.ts";
import { sequencePlan, sequenceText, shareTime } from "./sequence-time.ts";
import { runPersona } from "./session.ts";

export function addRun(program: Command, context: Context): void {
  program
    .command("run")
    .description("measure, try, prove, keep or undo, and report: the whole loop")
    .requiredOption("--persona <name...>", "personas by name or path, or `all`")
    .option("--target <file>", "the service to tune (default: the bundled model registry)")
    .option("--phases <names>", "only these strategies of the persona, separated by commas")
    .option("--scale <scale>", "size of the seeded data, where the target file seeds it")
    .option("--seed <number>", "of requests, orders and data", "42")
    .option(
      "--budget <time>",
      "what the run, or all of several, may take from start to report, for example 10m",
    )
    .option("--output <folder>", "where reports are written", "reports")
    .option("--quick", "a short run: shorter windows, fewer pairs, small data")
    .option("--dry-run", "print the plan and what it costs, start nothing")
    .option("--yes", "change stores that perfopt did not start without asking")
    .option("--busy-machine", BUSY_MACHINE)
    .option("--json", "machine output on stdout: an array of one run; of several, {runs, overall}")
    .addOption(new Option("--seq", "personas in sequence, which is how they run").hideHelp())
    .addOption(
      new Option("--performance", "performance objectives first, which is the default").hideHelp(),
    )
    .action((options: RunOptions) => run(context, options));
}

async function run(context: Context, options: RunOptions): Promise<void> {
  const jobs = await jobsOf(context, options);
  const [job] = jobs;
  if (!job) throw new Error("a run has a persona");
  refuseTwice(jobs);
  // Of several, the budget is for all of them.
  const totalMs = options.budget === undefined ? undefined : job.budgetMs;
  if (options.dryRun) {
    if (jobs.length > 1) printSequencePlan(context, options, jobs, totalMs);
    else if (options.json) context.out(`${JSON.stringify([planOf(job)], null, 2)}\n`);
    else context.out(`${planText(job, planOf(job))}\n`);
    return;
  }
  await askFirst(context, options, job.target);
  if (jobs.length > 1) {
    await runSequence(context, jobs, { totalMs, json: options.json ?? false });
    return;
  }
  const result = await runPersona(context, job, planOf);
  context.out(options.json ? `${JSON.stringify([result], null, 2)}\n` : `${result.report}\n`);
}

function printSequencePlan(
  context: Context,
  { json }: RunOptions,
  jobs: readonly Job[],
  totalMs: number | undefined,
): void {
  const time = shareTime(jobs, totalMs);
  const planned = jobs.map((job, index) => ({ ...job, budgetMs: time.runsMs[index] ?? 0 }));
  const plans = planned.map((job) => ({ job, plan: planOf(job) }));
  const whole = sequencePlan(
    plans.map(({ plan }) => plan),
    time,
    totalMs !== undefined,
  );
  context.out(
    json
      ? `${JSON.stringify(whole, null, 2)}\n`
      : [...plans.map(({ job, plan }) => planText(job, plan)), sequenceText(jobs, time, whole)]
          .map((text) => `${text}\n`)
          .join("\n"),
  );
}

/** Stores that perfopt did not start belong to somebody: changing them needs a yes. */
async function askFirst(context: Context, options: RunOptions, target: TargetFile): Promise<void> {
  const external = target.postgres.kind === "url" || target.redis?.kind === "url";
  if (!external || options.yes) return;
  const question = `perfopt will clone databases on the server of ${target.name}, and apply what it proves there. Go on?`;
  if (!context.interactive || !process.stdin.isTTY) {
    throw new PerfoptError("bad-input", question, "say so with --yes");
  }
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await lines.question(`${question} [y/N] `, { signal: context.signal });
    if (!/^y(es)?$/i.test(answer.trim())) {
      throw new PerfoptError(
        "bad-input",
        "not started, as you said",
        "use --dry-run to see the plan",
      );
    }
  } finally {
    lines.close();
  }
}
