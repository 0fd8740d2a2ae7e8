/** Builds a service from its sources with the target file's own commands. */
import { createHash } from "node:crypto";
import { readFile, rm } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import type { Command, TargetFile } from "../core/target-file.ts";
import type { Checkout } from "./checkout.ts";
import { isMissing, makeFolder, writeDurably, type Environment } from "./home.ts";
import { runCommand } from "./run-command.ts";

/** What the checkout was last built with. */
const BUILT = "built.json";

export interface BuildOptions {
  /** Where the service lies: builds here are remembered. Absent: a folder of the user's, built every time, since its files change. */
  readonly checkout?: Checkout;
  readonly environment: Environment;
  /** The commands' output, one after another. */
  readonly logPath: string;
  /** Of each command. */
  readonly timeoutMs: number;
  readonly onProgress: (line: string) => void;
  readonly signal: AbortSignal;
}

/** Throws cannot-measure with the log's end when a command fails or takes too long. */
export async function buildTarget(
  targetFile: TargetFile,
  options: BuildOptions,
): Promise<"built" | "reused" | "nothing to build"> {
  const commands = targetFile.service.build ?? [];
  if (commands.length === 0) return "nothing to build";
  const { checkout } = options;
  const key = checkout ? keyOf(commands, checkout.directory) : "";
  const mark = checkout && join(checkout.folder, BUILT);
  if (mark !== undefined) {
    if ((await readMark(mark)) === key) return "reused";
    await rm(mark, { force: true });
    // What other commands, or a build that was broken off, left there must not help or harm this one.
    await checkout?.clean();
  }
  await makeFolder(dirname(options.logPath));
  await rm(options.logPath, { force: true });
  for (const [index, command] of commands.entries()) {
    const line = [command.program, ...command.args].join(" ");
    options.onProgress(`building (${index + 1} of ${commands.length}): ${line}`);
    await runCommand({
      command,
      env: options.environment,
      logPath: options.logPath,
      title: `the build command \`${line}\` in ${command.directory}`,
      timeoutMs: options.timeoutMs,
      signal: options.signal,
      hint: `read ${options.logPath}, and check service.build in the target file`,
    });
  }
  if (mark !== undefined) await writeDurably(mark, JSON.stringify({ key }));
  return "built";
}

function keyOf(commands: readonly Command[], root: string): string {
  const parts = commands.map(({ program, args, directory }) => [
    program,
    args,
    relative(root, directory),
  ]);
  return createHash("sha256").update(JSON.stringify(parts)).digest("hex");
}

async function readMark(path: string): Promise<string | undefined> {
  try {
    const mark: { readonly key?: string } = JSON.parse(await readFile(path, "utf8"));
    return mark.key;
  } catch (error) {
    if (isMissing(error) || error instanceof SyntaxError) return undefined;
    throw error;
  }
}
