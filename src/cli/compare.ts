/** `perfopt compare A B`: the results of two benches side by side. It informs; `perfopt gate` decides. */
import { resolve } from "node:path";
import type { Command } from "commander";
import { compareResults, type NamedResult } from "../decide/compare.ts";
import { compareDocument } from "../report/compare.ts";
import { BENCH, readResult } from "../results/document.ts";
import type { Context } from "./context.ts";
import { addFormatOptions, printDocument, type FormatOptions } from "./document.ts";

interface CompareOptions extends FormatOptions {
  readonly force?: boolean;
}

export function addCompare(program: Command, context: Context): void {
  const command = program
    .command("compare")
    .description("two stored results side by side: what differs, and what that cannot prove")
    .argument("<a>", "a result of perfopt bench, for example old/result.json")
    .argument("<b>", "another, which is compared with it")
    .option("--force", "compare although the two were measured differently");
  addFormatOptions(command).action((a: string, b: string, options: CompareOptions) =>
    compare(context, a, b, options),
  );
  command.addHelpText(
    "after",
    `
Exit codes: 0 compared, whatever the difference is; 2 not comparable, or no result of perfopt bench.
To decide whether a change made a service slower, measure both versions together: perfopt gate --base A --head B`,
  );
}

async function compare(
  context: Context,
  a: string,
  b: string,
  options: CompareOptions,
): Promise<void> {
  const comparison = compareResults(
    await named(context, a),
    await named(context, b),
    options.force ?? false,
  );
  printDocument(context, options, comparison, compareDocument(comparison));
}

async function named(context: Context, file: string): Promise<NamedResult> {
  return { file, result: await readResult(resolve(context.directory, file), BENCH) };
}
