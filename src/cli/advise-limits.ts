/** The budgets and bounds of index advice as options of the command line. */
import type { Command } from "commander";
import type { AdviceLimits } from "../core/advice.ts";
import { parseBytes, parseDuration } from "../core/units.ts";
import { countOf } from "./load.ts";
import { given, percentOf, required } from "./parsed-options.ts";

export interface LimitOptions {
  readonly disk?: string;
  readonly maxIndexes?: string;
  readonly buildTime?: string;
  readonly writeOverhead?: string;
  readonly width: string;
  readonly explains: string;
  readonly time: string;
  readonly minGain: string;
  readonly maxRegression: string;
  readonly statements: string;
}

export function addLimitOptions(command: Command): Command {
  return command
    .option("--disk <size>", "the new indexes together, such as 500mb (default: no limit)")
    .option("--max-indexes <number>", "at most so many new ones (default: no limit)")
    .option("--build-time <time>", "estimated, all together, such as 10m (default: no limit)")
    .option(
      "--write-overhead <percent>",
      "what the new indexes may add to the workload's cost by being kept up to date (default: no limit)",
    )
    .option("--width <columns>", "the most keys of an index", "4")
    .option("--explains <number>", "the search ends after so many EXPLAINs", "4000")
    .option("--time <time>", "the search ends after this", "60s")
    .option("--min-gain <percent>", "an index has to save so much of the workload's cost", "1%")
    .option("--max-regression <percent>", "no statement may become dearer by more than this", "5%")
    .option("--statements <number>", "only the heaviest are looked at", "200");
}

/** Throws bad-input for what is no size, time or number. */
export function limitsOf(options: LimitOptions): AdviceLimits {
  const bytesMax = given(options.disk, "--disk", parseBytes, "a size such as 500mb");
  const buildMsMax = given(options.buildTime, "--build-time", parseDuration, "a time such as 10m");
  const overhead = given(
    options.writeOverhead,
    "--write-overhead",
    percentOf,
    "a share such as 5%",
  );
  return {
    ...(bytesMax === undefined ? {} : { bytesMax }),
    ...(options.maxIndexes === undefined
      ? {}
      : { indexesMax: countOf("--max-indexes", options.maxIndexes, 1, 1_000) }),
    ...(buildMsMax === undefined ? {} : { buildMsMax }),
    ...(overhead === undefined ? {} : { writeOverheadPercentMax: overhead }),
    // PostgreSQL allows 32 keys; beyond 8 nothing was ever seen to gain, and the search grows with each.
    widthMax: countOf("--width", options.width, 1, 8),
    explainsMax: countOf("--explains", options.explains, 1, 10_000_000),
    timeMsMax: required(options.time, "--time", parseDuration, "a time such as 60s"),
    gainLeast: required(options.minGain, "--min-gain", percentOf, "a share such as 1%") / 100,
    regressionMax:
      1 +
      required(options.maxRegression, "--max-regression", percentOf, "a share such as 5%") / 100,
    statementsMax: countOf("--statements", options.statements, 1, 100_000),
  };
}
