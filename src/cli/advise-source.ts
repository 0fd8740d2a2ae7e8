/** What index advice is about: a snapshot of a database's schema and statistics, and the statements that it serves. */
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { createInterface } from "node:readline";
import type { Command } from "commander";
import { parseSnapshot } from "../advise/indexes/snapshot/parse.ts";
import type { Snapshot } from "../advise/indexes/snapshot/snapshot.ts";
import type { IndexWorkload } from "../advise/indexes/statement.ts";
import { workloadOfLines } from "../advise/indexes/workload/source.ts";
import {
  readStatStatements,
  workloadOfStatements,
} from "../advise/indexes/workload/stat-statements.ts";
import { messageOf, PerfoptError, redactSecrets } from "../core/errors.ts";
import { snapshotOf, viewOf, type SourceOptions } from "./advise-database.ts";
import { withObservedTarget } from "./advise-target.ts";
import type { Context } from "./context.ts";
import { openInput } from "./input-file.ts";
import type { Progress } from "./progress.ts";

export interface AdviceSource {
  readonly snapshot: Snapshot;
  readonly workload: IndexWorkload;
  /** Undefined for a snapshot. */
  readonly database:
    | {
        readonly url: string;
        /** perfopt's own copy, which goes away afterwards: indexes may be built in it. */
        readonly disposable: boolean;
      }
    | undefined;
}

export function addSourceOptions(command: Command): Command {
  return command
    .option(
      "--url <url>",
      "the database to advise, read only (default: DATABASE_URL, where it is set)",
    )
    .option("--snapshot <file>", "what `perfopt snapshot` wrote, instead of a connection")
    .option(
      "--target <file>",
      "a service that perfopt starts and loads itself (default without a database: the bundled model registry)",
    )
    .option("--scale <scale>", "size of the seeded data, where the target file seeds it")
    .option(
      "--queries <file...>",
      "the statements: SQL files, PostgreSQL's logs (text, csv, json; auto_explain), JSON exports; .gz too, - for stdin (default: pg_stat_statements, or the target's own load)",
    );
}

/** Of the load that a target's statements are taken from; a database or a snapshot has no use for them. */
export function addTargetLoadOptions(command: Command): Command {
  return command
    .option("--persona <name>", "of the target's load: workload and rate of a persona")
    .option("--workload <name>", "of the target's load: from the target file (default: the first)")
    .option(
      "--rate <rate>",
      "of the target's load: requests a second such as 200, or 40% of saturation",
    )
    .option("--window <time>", "of the target's load: how long it is observed (default: 5s)")
    .option("--seed <number>", "of the load, the search and the order of runs", "42");
}

/** A target that was started for it runs until `use` returns or throws. */
export async function withAdviceSource<T>(
  context: Context,
  options: SourceOptions,
  progress: Progress,
  use: (source: AdviceSource) => Promise<T>,
): Promise<T> {
  refuseContradictions(options);
  if (options.snapshot !== undefined)
    return use(await ofSnapshot(context, options, options.snapshot, progress));
  const fromEnvironment = options.target === undefined ? context.env["DATABASE_URL"] : undefined;
  const url = options.url ?? fromEnvironment;
  if (options.url === undefined && url !== undefined)
    progress.print(`the database is that of DATABASE_URL: ${redactSecrets(url)}`);
  if (url !== undefined) return use(await ofDatabase(context, options, url, progress));
  return withObservedTarget(context, options, progress, async (observed) => {
    const { snapshot, statements, name, databaseUrl } = observed;
    const workload =
      options.queries === undefined
        ? await workloadOfStatements(statements, name)
        : await workloadOfFiles(context, options.queries, snapshot.database);
    return use({ snapshot, workload, database: { url: databaseUrl, disposable: true } });
  });
}

function refuseContradictions({ url, snapshot, target, queries }: SourceOptions): void {
  const given = [
    ...(url === undefined ? [] : ["--url"]),
    ...(snapshot === undefined ? [] : ["--snapshot"]),
    ...(target === undefined ? [] : ["--target"]),
  ];
  if (given.length > 1) {
    throw new PerfoptError(
      "bad-input",
      `${given.join(" and ")} name two databases`,
      "give one of them",
    );
  }
  if (snapshot !== undefined && queries === undefined) {
    throw new PerfoptError(
      "bad-input",
      "a snapshot holds no statements",
      "give them too: --queries FILE, with SQL, a log of PostgreSQL or an export of pg_stat_statements",
    );
  }
}

async function ofSnapshot(
  context: Context,
  options: SourceOptions,
  file: string,
  progress: Progress,
): Promise<AdviceSource> {
  progress.say(`reading ${file}`);
  const text = await readFile(resolve(context.directory, file), "utf8").catch((error: unknown) => {
    throw new PerfoptError(
      "bad-input",
      `--snapshot ${file} could not be read: ${messageOf(error)}`,
      "make one by `perfopt snapshot --url URL --output FILE`",
    );
  });
  const snapshot = await parseSnapshot(text, file);
  return {
    snapshot,
    workload: await workloadOfFiles(context, options.queries ?? [], snapshot.database),
    database: undefined,
  };
}

async function ofDatabase(
  context: Context,
  options: SourceOptions,
  url: string,
  progress: Progress,
): Promise<AdviceSource> {
  const database = viewOf(context, url, options, progress);
  progress.say("reading schema and statistics");
  const snapshot = await snapshotOf(database);
  const at = { url, disposable: false };
  if (options.queries !== undefined) {
    const workload = await workloadOfFiles(context, options.queries, snapshot.database);
    return { snapshot, workload, database: at };
  }
  progress.say("reading pg_stat_statements");
  return { snapshot, workload: await database.together(readStatStatements), database: at };
}

async function workloadOfFiles(
  context: Context,
  files: readonly string[],
  database: string,
): Promise<IndexWorkload> {
  const workloads: IndexWorkload[] = [];
  for (const file of files) {
    const name = file === "-" ? "stdin" : file;
    const source = openInput(context, file);
    try {
      const lines = createInterface({ input: source, crlfDelay: Infinity });
      workloads.push(await workloadOfLines(lines, name.replace(/\.gz$/, ""), { database }));
    } catch (error) {
      if (error instanceof PerfoptError) throw error;
      throw new PerfoptError(
        "bad-input",
        `--queries ${file} could not be read: ${messageOf(error)}`,
        "give SQL, a log of PostgreSQL or an export of pg_stat_statements",
      );
    } finally {
      source.destroy();
    }
  }
  return together(workloads);
}

/** Files that weigh alike are one workload; those that do not cannot be weighed against each other, so each statement counts once. */
function together(workloads: readonly IndexWorkload[]): IndexWorkload {
  const [first, ...others] = workloads;
  if (!first)
    throw new PerfoptError("bad-input", "--queries names no file", "give one, or - for stdin");
  if (others.length === 0) return first;
  const alike = others.every(({ weights }) => weights === first.weights);
  return {
    source: workloads.map(({ source }) => source).join(", "),
    weights: alike ? first.weights : "equal",
    statements: withOwnIds(workloads),
    leftOut: workloads.flatMap(({ leftOut }) => leftOut),
    caveats: [
      ...workloads.flatMap(({ caveats }) => caveats),
      ...(alike ? [] : ["the files weigh their statements differently, so each counts once"]),
    ],
  };
}

/** The same name in two files means two statements. */
function withOwnIds(workloads: readonly IndexWorkload[]): IndexWorkload["statements"] {
  const taken = new Set<string>();
  return workloads.flatMap(({ source, statements }) =>
    statements.map((statement) => {
      const id = taken.has(statement.id) ? `${source}: ${statement.id}` : statement.id;
      taken.add(id);
      return { ...statement, id };
    }),
  );
}
