/** `perfopt advise cache`: the least memory that reaches a hit rate, the ceiling above which no memory helps, and what would move it. */
import { join } from "node:path";
import { Option, type Command } from "commander";
import type { CacheAdvice } from "../core/cache-advice.ts";
import { redisPolicies } from "../core/cache-curve.ts";
import { PerfoptError, redactSecrets } from "../core/errors.ts";
import { cacheAdviceCharts } from "../report/cache/charts.ts";
import { cacheAdviceDocument, cacheAdviceMarkdown } from "../report/cache/document.ts";
import { writeDurably } from "../target/home.ts";
import { runCacheAdvice, type CacheOptions } from "./advise-cache-session.ts";
import { addTargetLoadOptions } from "./advise-source.ts";
import type { Context } from "./context.ts";
import { addFormatOptions, printDocument, type FormatOptions } from "./document.ts";
import { outputFolder } from "./output-folder.ts";

interface AdviseCacheOptions extends CacheOptions, FormatOptions {
  readonly output?: string;
  readonly failBelowGoal?: boolean;
}

export function addAdviseCache(advise: Command, context: Context): void {
  const command = advise
    .command("cache")
    .description(
      "the least memory, policy and times to live that reach a hit rate, and the most that any cache could reach",
    )
    .option(
      "--trace <file>",
      "accesses to advise on: CSV or JSON Lines (perfopt/tracer, MONITOR, MONITOR TRACE); .gz too, - for stdin",
    )
    .option("--url <url>", "a Redis to watch by MONITOR for a while, read only")
    .option(
      "--target <file>",
      "a service that perfopt starts and loads itself (default: the bundled model registry)",
    )
    .option("--scale <scale>", "size of the seeded data, where the target file seeds it")
    .option("--capture <time>", "how long the Redis or the target is watched (default: 60s)")
    .option(
      "--max-ops <rate>",
      "of --url: a Redis with more commands a second is watched in short windows only",
      "20000",
    )
    .option("--save-trace <file>", "keep what was captured, as CSV without names of keys")
    .option("--goal <percent>", "the hit rate wanted (default: the persona's, where one is named)")
    .option("--maxmemory <size>", "of the cache at present, where it cannot be asked")
    .addOption(
      new Option("--policy <policy>", "of the cache at present, where it cannot be asked").choices(
        redisPolicies,
      ),
    )
    .addOption(
      new Option("--policies <policies...>", "to choose from").choices(
        redisPolicies.filter((policy) => policy !== "noeviction"),
      ),
    )
    .option("--memory-max <size>", "no advice beyond this")
    .option("--memory-step <size>", "sizes are rounded up to this", "1mb")
    .option("--processes <number>", "of the service, each with an L1 of its own")
    .option(
      "--max-stale <percent>",
      "the most answers that a longer time to live may leave out of date",
      "1%",
    )
    .option("--change-rate <number>", "changes a key and hour, for a trace that shows no writes")
    .option("--speed <factor>", "production's rate over the trace's", "1")
    .option(
      "--calibrate",
      "measure what entries take on a private Redis of this machine, instead of by formula",
    )
    .option(
      "--verify",
      "play the trace against a private Redis at the recommended and the present size",
    )
    .option("--output <folder>", "write advice.json, advice.md and charts")
    .option("--fail-below-goal", "exit 1 when the present configuration does not reach the goal");
  addFormatOptions(addTargetLoadOptions(command)).action((options: AdviseCacheOptions) =>
    adviseCacheCommand(context, options),
  );
  command.addHelpText(
    "after",
    `
Exit codes: 0 advised, 1 below the goal (--fail-below-goal), 2 bad input, 3 nothing to advise on, 130 interrupted.
MONITOR costs the server 1 to 5 microseconds of CPU a command (measured); perfopt stops by itself when its latency or its memory grows.
Examples:
  perfopt advise cache --trace accesses.csv.gz --goal 95%
  perfopt advise cache --url "$REDIS_URL" --capture 2m --goal 95%
  perfopt advise cache --persona speed-runner --verify --output advice`,
  );
}

async function adviseCacheCommand(context: Context, options: AdviseCacheOptions): Promise<void> {
  refuseUnjudgeable(options);
  const folder = await outputFolder(context, options.output);
  const advice = await runCacheAdvice(context, options);
  if (folder !== undefined) await writeFiles(folder, advice);
  printDocument(context, options, advice, cacheAdviceDocument(advice));
  if (options.failBelowGoal) failBelowGoal(context, advice);
}

/** Said before a minute is spent. */
function refuseUnjudgeable({
  failBelowGoal,
  goal,
  persona,
  trace,
  maxmemory,
}: AdviseCacheOptions): void {
  if (!failBelowGoal) return;
  if (goal === undefined && persona === undefined) {
    throw new PerfoptError("bad-input", "--fail-below-goal needs a goal", "give --goal 95%");
  }
  if (trace !== undefined && maxmemory === undefined) {
    throw new PerfoptError(
      "bad-input",
      "--fail-below-goal needs to know how the cache is configured, and a file does not say",
      "give --maxmemory and --policy",
    );
  }
}

/** A goal that was not shown to be met is not met. */
function failBelowGoal(context: Context, advice: CacheAdvice): void {
  if (advice.verdict === "met") return;
  context.err(`${context.style.bad("below the goal:")} ${advice.headline}\n`);
  context.exitWith(1);
}

async function writeFiles(folder: string, advice: CacheAdvice): Promise<void> {
  const files = [
    { name: "advice.json", text: `${redactSecrets(JSON.stringify(advice, null, 2))}\n` },
    { name: "advice.md", text: cacheAdviceMarkdown(advice) ?? "" },
    ...cacheAdviceCharts(advice).map(({ name, svg }) => ({ name: `${name}.svg`, text: svg })),
  ];
  for (const { name, text } of files) await writeDurably(join(folder, name), text, 0o600);
}
