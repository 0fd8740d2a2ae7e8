/** `perfopt snapshot`: a database's schema and planner statistics as a file, to be advised on elsewhere. */
import { resolve } from "node:path";
import { Option, type Command } from "commander";
import { snapshotFunctionSql } from "../advise/indexes/snapshot/function.ts";
import { readSnapshot } from "../advise/indexes/snapshot/read.ts";
import type { Snapshot } from "../advise/indexes/snapshot/snapshot.ts";
import { messageOf, PerfoptError, redactSecrets } from "../core/errors.ts";
import { formatBytes } from "../core/units.ts";
import { writeDurably } from "../target/home.ts";
import { openSource } from "../target/source.ts";
import { databaseView } from "../target/view.ts";
import type { Context } from "./context.ts";
import { scaleOf, seedOf } from "./job.ts";
import { progressOf, type Progress } from "./progress.ts";
import { targetOf } from "./target.ts";

interface SnapshotOptions {
  readonly url?: string;
  readonly target?: string;
  readonly scale?: string;
  readonly seed: string;
  readonly redact?: "text" | "all";
  readonly output?: string;
  readonly printFunction?: boolean;
}

export function addSnapshot(program: Command, context: Context): void {
  program
    .command("snapshot")
    .description("schema and planner statistics of a database as JSON; reads its catalogs only")
    .option("--url <url>", "the database (default: DATABASE_URL, where it is set)")
    .option("--target <file>", "the database of a target (default: the bundled model registry)")
    .option("--scale <scale>", "size of the seeded data, where the target file seeds it")
    .option("--seed <number>", "of the seeded data", "42")
    .addOption(
      new Option(
        "--redact <values>",
        "take values out of the statistics: of text and its like, or all",
      ).choices(["text", "all"]),
    )
    .option("--output <file>", "write it there, readable for you alone (default: stdout)")
    .option(
      "--print-function",
      "print SQL for a DBA, by which a role without rights on tables can take whole snapshots",
    )
    .action((options: SnapshotOptions) => snapshot(context, options))
    .addHelpText(
      "after",
      `
A snapshot holds no rows, but statistics hold sample values of columns: handle it like the data, or use --redact.
Exit codes: 0 taken (caveats are on stderr and in the file), 2 bad input, 3 the database could not be read.
Examples:
  perfopt snapshot --url "$DATABASE_URL" --output db.json
  perfopt advise indexes --snapshot db.json --queries queries.sql`,
    );
}

async function snapshot(context: Context, options: SnapshotOptions): Promise<void> {
  if (options.printFunction) {
    context.out(snapshotFunctionSql());
    return;
  }
  if (options.url !== undefined && options.target !== undefined) {
    throw new PerfoptError("bad-input", "--url and --target name two databases", "give one");
  }
  const progress = progressOf(context);
  try {
    const taken = await takeSnapshot(context, options, progress);
    progress.stop();
    await deliver(context, options, taken);
  } finally {
    progress.stop();
  }
}

/** An explicit target wins over the environment, and the environment over the bundled service. */
async function takeSnapshot(
  context: Context,
  options: SnapshotOptions,
  progress: Progress,
): Promise<Snapshot> {
  if (options.url !== undefined)
    return read(context, options, checkUrl("--url", options.url), progress);
  const fromEnvironment = context.env["DATABASE_URL"];
  if (options.target === undefined && fromEnvironment) {
    progress.print(`the database is that of DATABASE_URL: ${redactSecrets(fromEnvironment)}`);
    return read(context, options, checkUrl("DATABASE_URL", fromEnvironment), progress);
  }
  const targetFile = await targetOf(context, options);
  const source = await openSource({
    targetFile,
    home: context.home,
    scale: scaleOf(options, targetFile) ?? "",
    seed: seedOf(options),
    environment: context.env,
    purpose: "bench",
    onProgress: progress.say,
    signal: context.signal,
  });
  try {
    return await read(context, options, source.adminUrl, progress);
  } finally {
    await source.close();
  }
}

/** A URL that is none may hold a password in any place, so it is never shown. */
function checkUrl(name: string, text: string): string {
  if (URL.canParse(text) && /^postgres(?:ql)?:$/.test(new URL(text).protocol)) return text;
  throw new PerfoptError(
    "bad-input",
    `${name} is not the URL of a PostgreSQL database (it is not shown here)`,
    "give one such as postgres://user@host:5432/database",
  );
}

function read(
  context: Context,
  options: SnapshotOptions,
  url: string,
  progress: Progress,
): Promise<Snapshot> {
  progress.say("reading schema and statistics");
  const redact = options.redact === "all" ? "all values" : (options.redact ?? "nothing");
  const { home, signal, env } = context;
  return databaseView({ url, home, signal, environment: env }).together((query) =>
    readSnapshot(query, { redact, now: Date.now }),
  );
}

async function deliver(
  context: Context,
  { output }: SnapshotOptions,
  taken: Snapshot,
): Promise<void> {
  const { style } = context;
  const text = `${JSON.stringify(taken, null, 1)}\n`;
  if (output === undefined) context.out(text);
  else await write(resolve(context.directory, output), text);
  for (const caveat of taken.caveats) context.err(`${style.warn("caveat:")} ${caveat}\n`);
  const { tables, indexes, columns, database, redacted } = taken;
  const values = redacted === "nothing" ? "with sample values of columns" : `redacted: ${redacted}`;
  context.err(
    `${database}: ${tables.length} tables, ${indexes.length} indexes, statistics of ${columns.length} columns (${values}), ${formatBytes(Buffer.byteLength(text))}${output === undefined ? "" : ` in ${output}`}\n`,
  );
}

async function write(path: string, text: string): Promise<void> {
  try {
    await writeDurably(path, text, 0o600);
  } catch (error) {
    throw new PerfoptError(
      "bad-input",
      `--output: ${path} cannot be written: ${messageOf(error)}`,
      "name a file in a folder that exists and can be written",
      { cause: error },
    );
  }
}
