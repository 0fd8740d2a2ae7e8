/** `perfopt target`: the bundled service, or your own, outside of any run: up, down, seed, clean. */
import { join, resolve } from "node:path";
import type { Command } from "commander";
import { PerfoptError } from "../core/errors.ts";
import type { TargetFile } from "../core/target-file.ts";
import { formatBytes, formatDuration } from "../core/units.ts";
import { loadTarget } from "../profiles/target.ts";
import { cleanTarget, targetSize } from "../target/clean.ts";
import { openSource } from "../target/source.ts";
import { targetDown, targetUp } from "../target/up.ts";
import type { Context } from "./context.ts";
import { scaleOf, seedOf } from "./job.ts";
import { progressOf } from "./progress.ts";

interface TargetOptions {
  readonly target?: string;
  readonly scale?: string;
  readonly seed: string;
  readonly json?: boolean;
}

export function addTarget(program: Command, context: Context): void {
  const target = program
    .command("target")
    .description("start, stop, seed and remove the target's service and stores");
  const command = (name: string, description: string) =>
    target
      .command(name)
      .description(description)
      .option("--target <file>", "target file (default: the bundled model registry)")
      .option("--json", "machine output on stdout");
  const seeded = (name: string, description: string) =>
    command(name, description)
      .option("--scale <scale>", "size of the seeded data")
      .option("--seed <number>", "of the seeded data", "42");
  seeded(
    "up",
    "start PostgreSQL, Redis and the service in the background, with everything applied so far",
  ).action((options: TargetOptions) => up(context, options));
  command("down", "stop what `target up` started").action((options: TargetOptions) =>
    down(context, options),
  );
  seeded("seed", "make and fill the database, so that the next start takes seconds").action(
    (options: TargetOptions) => seed(context, options),
  );
  command("clean", "remove the seeded databases from disk").action((options: TargetOptions) =>
    clean(context, options),
  );
}

/** For what sends no load: the bundled one when none is named. */
export async function targetOf(
  context: Context,
  options: Pick<TargetOptions, "target">,
): Promise<TargetFile> {
  const path = options.target
    ? resolve(context.directory, options.target)
    : join(context.profilesDirectory, "targets", "model-registry.yaml");
  return loadTarget(path, { env: context.env, sendsLoad: false });
}

function answer(
  context: Context,
  options: TargetOptions,
  data: Record<string, unknown>,
  text: string,
): void {
  context.out(options.json ? `${JSON.stringify(data, null, 2)}\n` : `${text}\n`);
}

async function up(context: Context, options: TargetOptions): Promise<void> {
  const targetFile = await targetOf(context, options);
  const progress = progressOf(context);
  try {
    progress.say(`starting ${targetFile.title}`);
    const { state, already } = await targetUp({
      targetFile,
      home: context.home,
      scale: scaleOf(options, targetFile) ?? "",
      seed: seedOf(options),
      environment: context.env,
      onProgress: progress.say,
      signal: context.signal,
    });
    progress.stop();
    const text = [
      `${targetFile.title} ${already ? "runs already" : "is up"}: ${state.baseUrl}`,
      `log: ${state.logPath}`,
      "stop it with `perfopt target down`",
    ].join("\n");
    answer(
      context,
      options,
      { baseUrl: state.baseUrl, scale: state.scale, log: state.logPath, already },
      text,
    );
  } finally {
    progress.stop();
  }
}

async function down(context: Context, options: TargetOptions): Promise<void> {
  const targetFile = await targetOf(context, options);
  const stopped = await targetDown(context.home, targetFile.name);
  answer(
    context,
    options,
    { stopped },
    stopped.length > 0 ? `stopped: ${stopped.join(", ")}` : `${targetFile.title} was not up`,
  );
}

async function seed(context: Context, options: TargetOptions): Promise<void> {
  const targetFile = await targetOf(context, options);
  if (targetFile.postgres.kind === "url") {
    throw new PerfoptError(
      "bad-input",
      `${targetFile.path} uses a database of yours, which perfopt does not seed`,
      "seed it as you always do",
    );
  }
  const progress = progressOf(context);
  try {
    progress.say("starting PostgreSQL");
    const started = performance.now();
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
    await source.close();
    progress.stop();
    const rows = Object.values(source.rowsByTable).reduce((sum, each) => sum + each, 0);
    answer(
      context,
      options,
      {
        scale: source.scale,
        rows,
        rowsByTable: source.rowsByTable,
        databaseBytes: source.databaseBytes,
      },
      `${rows.toLocaleString("en")} rows, ${formatBytes(source.databaseBytes)}, ready in ${formatDuration(performance.now() - started)}`,
    );
  } finally {
    progress.stop();
  }
}

async function clean(context: Context, options: TargetOptions): Promise<void> {
  const targetFile = await targetOf(context, options);
  const before = await targetSize(context.home, targetFile.name);
  const bytes = before === 0 ? 0 : await cleanTarget(context.home, targetFile);
  answer(
    context,
    options,
    { bytes },
    bytes === 0 ? "there was nothing to remove" : `removed ${formatBytes(bytes)}`,
  );
}
