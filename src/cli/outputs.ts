/** Where the result of a gate or bench goes beside the terminal: files that the user names, and GitHub's summary and annotations. */
import { appendFile, mkdir, open, stat, unlink, writeFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import type { Command } from "commander";
import { messageOf, PerfoptError } from "../core/errors.ts";
import { annotationLines } from "../report/outputs/annotations.ts";
import type { AnyResult } from "../report/outputs/checks.ts";
import { renderOutput, renderStepSummary, type OutputKind } from "../report/outputs/outputs.ts";
import type { Context } from "./context.ts";

export interface OutputOptions {
  readonly output?: string;
  readonly junit?: string;
  readonly markdown?: string;
  readonly bencher?: string;
  readonly githubActionBenchmark?: string;
  readonly badge?: string;
}

/** One file, and the option that asked for it. */
interface Wanted {
  readonly kind: OutputKind;
  readonly path: string;
  readonly option: string;
}

/** What `--output` writes into its folder. */
const FILES: readonly (readonly [OutputKind, string])[] = [
  ["result", "result.json"],
  ["markdown", "comment.md"],
  ["junit", "junit.xml"],
  ["bencher", "bencher.json"],
  ["benchmark-smaller", "benchmark-smaller.json"],
  ["benchmark-bigger", "benchmark-bigger.json"],
  ["badge", "badge.json"],
];

/** What a self-test has nothing to say in. */
const OF_A_VERSION: ReadonlySet<OutputKind> = new Set<OutputKind>([
  "bencher",
  "benchmark-smaller",
  "benchmark-bigger",
  "badge",
]);

export function addOutputOptions(command: Command): Command {
  return command
    .option("--output <folder>", `write ${FILES.map(([, name]) => name).join(", ")} into a folder`)
    .option("--junit <file>", "write a JUnit report, which every CI shows")
    .option("--markdown <file>", "write a comment for a pull request")
    .option("--bencher <file>", "write Bencher's metric format")
    .option(
      "--github-action-benchmark <prefix>",
      "write PREFIX-smaller.json and PREFIX-bigger.json for github-action-benchmark",
    )
    .option("--badge <file>", "write the JSON of a shields.io endpoint badge");
}

/** Throws bad-input for what cannot be written, before anything is measured. */
export async function checkOutputs(
  context: Context,
  options: OutputOptions,
  measures: "a version" | "noise" = "a version",
): Promise<void> {
  const all = wantedOf(context, options);
  const alone = all.find(({ kind, option }) => option !== "--output" && OF_A_VERSION.has(kind));
  if (measures === "noise" && alone) {
    throw new PerfoptError(
      "bad-input",
      `${alone.option}: a self-test measures the machine's noise, not a version`,
      "leave it out, or gate without --self-test",
    );
  }
  const twice = all.find(({ path }, index) => all.findIndex((each) => each.path === path) < index);
  if (twice) {
    throw new PerfoptError(
      "bad-input",
      `${twice.option} would overwrite another output: ${twice.path}`,
      "give each output a file of its own",
    );
  }
  for (const wanted of all) await checkWritable(wanted);
}

/** Writes every file, then GitHub's annotations (stderr) and summary; returns the files. Throws after the last when one could not be written. */
export async function writeOutputs(
  context: Context,
  result: AnyResult,
  options: OutputOptions,
): Promise<readonly string[]> {
  const written: string[] = [];
  const failed: string[] = [];
  for (const { kind, path } of wantedOf(context, options)) {
    const text = renderOutput(result, kind);
    if (text === undefined) continue;
    try {
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, text);
      written.push(path);
    } catch (error) {
      failed.push(`${path} (${messageOf(error)})`);
    }
  }
  if (context.env["GITHUB_ACTIONS"] === "true") await tellGitHub(context, result);
  if (failed.length > 0) {
    throw new PerfoptError(
      "cannot-measure",
      `the result could not be written: ${failed.join(", ")}`,
      "the measurement itself is done; check the disk and the folder, and use --json to have the result on stdout",
    );
  }
  return written;
}

function wantedOf(context: Context, options: OutputOptions): readonly Wanted[] {
  const { output, junit, markdown, bencher, githubActionBenchmark: prefix, badge } = options;
  const at = (path: string) => resolve(context.directory, path);
  const one = (kind: OutputKind, option: string, path: string | undefined): readonly Wanted[] =>
    path === undefined ? [] : [{ kind, option, path: at(path) }];
  return [
    ...(output === undefined
      ? []
      : FILES.map(([kind, name]) => ({ kind, option: "--output", path: join(at(output), name) }))),
    ...one("junit", "--junit", junit),
    ...one("markdown", "--markdown", markdown),
    ...one("bencher", "--bencher", bencher),
    ...one("benchmark-smaller", "--github-action-benchmark", prefix && `${prefix}-smaller.json`),
    ...one("benchmark-bigger", "--github-action-benchmark", prefix && `${prefix}-bigger.json`),
    ...one("badge", "--badge", badge),
  ];
}

/** Opens the file as writing will, which permissions alone do not tell, and leaves nothing behind that was not there. */
async function checkWritable({ path, option }: Wanted): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true });
    const before = await stat(path).catch(() => undefined);
    const file = await open(path, "a");
    await file.close();
    if (before === undefined) await unlink(path);
  } catch (error) {
    throw new PerfoptError(
      "bad-input",
      `${option}: cannot write ${basename(path)} in ${dirname(path)}: ${messageOf(error)}`,
      "name a file or folder that can be written",
      { cause: error },
    );
  }
}

/** Its runner reads commands from stderr too, and stdout may be somebody's JSON. A summary that cannot be written changes no verdict. */
async function tellGitHub(context: Context, result: AnyResult): Promise<void> {
  for (const line of annotationLines(result)) context.err(`${line}\n`);
  const path = context.env["GITHUB_STEP_SUMMARY"];
  if (path === undefined || path === "") return;
  try {
    const used = await stat(path).then(
      ({ size }) => size,
      () => 0,
    );
    const text = renderStepSummary(result, used);
    if (text === undefined) context.err("the step's summary is full: nothing was added to it\n");
    else await appendFile(path, text);
  } catch (error) {
    context.err(`the step's summary could not be written: ${messageOf(error)}\n`);
  }
}
