/** `perfopt gate`: is the head worse than the base? Exact counters first, then interleaved pairs, then a confirmation. */
import type { Command } from "commander";
import type { GateResult, SelfTestResult } from "../core/gate.ts";
import type { Context } from "./context.ts";
import { runGate, runSelfTest } from "./gate-session.ts";
import { GATED_DEFAULT, PAIRS_MOST, type RuleOptions } from "./gate-rule.ts";
import type { SideOptions } from "./gate-sides.ts";
import { addLoadOptions, countOf, type LoadOptions } from "./load.ts";
import { addOutputOptions, checkOutputs, writeOutputs, type OutputOptions } from "./outputs.ts";
import { renderText } from "../report/outputs/outputs.ts";

export interface GateOptions extends LoadOptions, RuleOptions, SideOptions, OutputOptions {
  readonly target?: string;
  readonly scale?: string;
  readonly budget?: string;
  readonly counters: boolean;
  readonly keepGoing?: boolean;
  readonly selfTest?: true | string;
  readonly strict?: boolean;
  readonly json?: boolean;
}

const PAIRS = 30;
const SELF_TEST_PAIRS = 12;

export function addGate(program: Command, context: Context): void {
  const command = program
    .command("gate")
    .description("compare two versions and fail when the head is proven worse")
    .option(
      "--base <version>",
      "a git ref (its merge base with the head), a directory, command:..., or a URL (default: where HEAD left the main branch)",
    )
    .option("--head <version>", "likewise (default: HEAD, or the working tree when it has changes)")
    .option("--exact-base", "compare with the base ref itself, not with the merge base")
    .option("--no-build", "take the directories as they are built")
    .option("--target <file>", "the service (default: the bundled model registry)")
    .option("--scale <scale>", "size of the seeded data, where the target file seeds it");
  addLoadOptions(command, { window: "2s", warmup: "500ms" })
    .option("--metrics <names>", "what is gated by trials, separated by commas", GATED_DEFAULT)
    .option(
      "--margin <share...>",
      "a pass excludes a regression of this: 5%, or p95=15% for one (default: 5%, p95 10%, or what the self-test of this machine can see)",
    )
    .option("--min-effect <share>", "a smaller regression does not fail (default: 3%)")
    .option("--pairs <number>", "the most pairs of a trial", String(PAIRS))
    .option("--budget <time>", "no pair begins after this (default: 20m)")
    .option("--no-counters", "leave out tier 0, the exact counters")
    .option("--keep-going", "measure on when counters have failed already")
    .option(
      "--self-test [pairs]",
      `compare one build with itself: what can this machine see? (default: ${SELF_TEST_PAIRS} pairs)`,
    )
    .option("--force", "gate with margins below what the self-test saw")
    .option("--strict", "inconclusive and invalid exit with 3")
    .option("--json", "the result as JSON on stdout, and nothing else there");
  addOutputOptions(command).action((options: GateOptions) => gateCommand(context, options));
  command.addHelpText(
    "after",
    `
Exit codes: 0 pass (inconclusive too, unless --strict), 1 fail, 2 bad input, 3 nothing could be measured, 130 interrupted.
Examples:
  perfopt gate --self-test
  perfopt gate --base origin/main
  perfopt gate --base ./old --head ./new --slo 'p95<200ms' --output gate`,
  );
}

async function gateCommand(context: Context, options: GateOptions): Promise<void> {
  const { selfTest } = options;
  await checkOutputs(context, options, selfTest === undefined ? "a version" : "noise");
  if (selfTest === undefined) {
    const result = await runGate(context, options);
    context.exitWith(exitCodeOf(result, options.strict ?? false));
    await tell(context, options, result);
    return;
  }
  const pairs =
    selfTest === true ? SELF_TEST_PAIRS : countOf("--self-test", selfTest, 5, PAIRS_MOST);
  const result = await runSelfTest(context, options, pairs);
  context.exitWith(result.verdict === "pass" ? 0 : 3);
  await tell(context, options, result);
}

/** Printed first: a file that cannot be written must not swallow the verdict. */
async function tell(
  context: Context,
  options: GateOptions,
  result: GateResult | SelfTestResult,
): Promise<void> {
  context.out(
    options.json ? `${JSON.stringify(result, null, 2)}\n` : renderText(result, context.styleOut),
  );
  await writeOutputs(context, result, options);
}

/** Nothing judged is nothing gated, and never looks like a pass; what was judged in part is a warning, unless --strict. */
function exitCodeOf(result: GateResult, strict: boolean): 0 | 1 | 3 {
  const { verdict, metrics, counters } = result;
  if (verdict === "fail") return 1;
  if (verdict === "pass") return 0;
  const judged = [counters?.verdict, ...metrics.map((each) => each.verdict)].some(
    (each) => each === "pass" || each === "inconclusive",
  );
  return strict || !judged ? 3 : 0;
}
