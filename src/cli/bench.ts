/** `perfopt bench`: measures one version of a service in several windows, or finds the most load that holds the SLOs. */
import type { Command } from "commander";
import { PerfoptError } from "../core/errors.ts";
import type { BenchResult } from "../core/result.ts";
import { renderText } from "../report/outputs/outputs.ts";
import { appendResult, checkHistory } from "../results/history.ts";
import { runBench } from "./bench-session.ts";
import type { Context } from "./context.ts";
import { addLoadOptions, addSubjectOptions, type LoadOptions } from "./load.ts";
import { addOutputOptions, checkOutputs, writeOutputs, type OutputOptions } from "./outputs.ts";

export interface BenchOptions extends LoadOptions, OutputOptions {
  readonly target?: string;
  readonly url?: string;
  readonly method?: string;
  readonly header?: readonly string[];
  readonly body?: string;
  readonly scale?: string;
  readonly windows?: string;
  /** False: the workload's bulk work is left out. */
  readonly tasks?: boolean;
  readonly scenario?: string;
  readonly users?: string;
  readonly think?: string;
  readonly findLimit?: true | "rate" | "users";
  readonly limitMax?: string;
  readonly budget?: string;
  readonly append?: string;
  readonly json?: boolean;
}

export function addBench(program: Command, context: Context): void {
  const command = program
    .command("bench")
    .description(
      "measure one version: latency from the intended start, CPU, SQL and Redis a request",
    );
  addLoadOptions(addSubjectOptions(command), { window: "5s", warmup: "1s" })
    .option(
      "--windows <number>",
      "measured windows (default: 5; 1 where the scenario changes the rate)",
    )
    .option(
      "--scenario <kind>",
      "flat, soak, ramp:10..500, steps:100,200,400, spike:100,800 (or 1x,3x)",
    )
    .option("--users <number>", "a closed loop of so many users instead of a rate")
    .option("--think <time>", "pause of a user between requests: 2s, 1s..3s, or ~2s (exponential)")
    .option("--no-tasks", "leave out the workload's bulk work, where it has some")
    .option("--find-limit [kind]", "the highest rate, or the most users, that holds every --slo")
    .option("--limit-max <number>", "do not try more than this rate, or so many users")
    .option("--budget <time>", "what --find-limit may take (default: 15m)")
    .option(
      "--append <where>",
      "add the result to a history: FILE.jsonl, git-branch:NAME or git-notes",
    )
    .option("--json", "the result as JSON on stdout, and nothing else there");
  addOutputOptions(command).action((options: BenchOptions) => bench(context, options));
  command.addHelpText(
    "after",
    `
Exit codes: 0 measured and every SLO held or unclear, 1 an SLO is missed, 2 bad input, 3 nothing valid could be measured.
Examples:
  perfopt bench --slo 'p95<200ms' --slo 'errors<1%'
  perfopt bench --url http://127.0.0.1:3000/health --rate 500
  perfopt bench --find-limit --slo 'p99<500ms'`,
  );
}

async function bench(context: Context, options: BenchOptions): Promise<void> {
  checkCombination(options);
  await checkOutputs(context, options, "a version");
  const history = options.append;
  if (history) await checkHistory(history, context.directory);
  const result = await runBench(context, options);
  context.exitWith(exitCodeOf(result));
  context.out(
    options.json ? `${JSON.stringify(result, null, 2)}\n` : renderText(result, context.styleOut),
  );
  await writeOutputs(context, result, options);
  if (history) context.err(`${await appendResult(history, result, context.directory)}\n`);
}

/** Options that mean nothing together are refused, rather than one of them being forgotten. */
function checkCombination(options: BenchOptions): void {
  const limit = options.findLimit !== undefined;
  const wrong: readonly (readonly [boolean, string, string])[] = [
    [
      options.users !== undefined && options.rate !== undefined,
      "--users and --rate",
      "users send when they are done, at no rate; leave one out",
    ],
    [
      options.users !== undefined && options.scenario !== undefined,
      "--users and --scenario",
      "scenarios change a rate, which users do not have",
    ],
    [
      options.think !== undefined && options.users === undefined && options.findLimit !== "users",
      "--think without --users",
      "only users think; give --users too",
    ],
    [limit && options.scenario !== undefined, "--find-limit and --scenario", "leave one out"],
    [
      limit && options.windows !== undefined,
      "--find-limit and --windows",
      "the search decides how many it needs",
    ],
    [
      limit && options.users !== undefined,
      "--find-limit and --users",
      "for the most users write --find-limit users",
    ],
    [
      limit && options.slo === undefined && options.persona === undefined,
      "--find-limit without --slo",
      "say what must hold, for example --slo 'p95<200ms'",
    ],
  ];
  const found = wrong.find(([isWrong]) => isWrong);
  if (found) throw new PerfoptError("bad-input", `${found[1]} do not go together`, found[2]);
}

function exitCodeOf(result: BenchResult): 0 | 1 | 3 {
  if (result.slos.some((slo) => slo.verdict === "fail")) return 1;
  const measured = result.windows.some((window) => window.valid) || result.limit !== undefined;
  const unmeasured = result.slos.some((slo) => slo.verdict === "invalid");
  return measured && !unmeasured ? 0 : 3;
}
