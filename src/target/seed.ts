/** Runs a target's seed program on an empty database, showing its lines as they come. */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { messageOf, PerfoptError, redactSecrets } from "../core/errors.ts";
import type { Command } from "../core/target-file.ts";
import type { Environment } from "./home.ts";

const TIMEOUT_MS = 60 * 60_000;
const TAIL_LINES = 15;

export interface SeedRun {
  /** `${scale}` and `${seed}` in its arguments are replaced. */
  readonly command: Command;
  readonly scale: string;
  readonly seed: number;
  readonly databaseUrl: string;
  readonly environment: Environment;
  readonly onLine: (line: string) => void;
  readonly signal: AbortSignal;
}

/** Resolves when the program ended well. Throws PerfoptError with its last lines otherwise. */
export async function runSeed(run: SeedRun): Promise<void> {
  const args = run.command.args.map((argument) =>
    argument.replaceAll("${scale}", run.scale).replaceAll("${seed}", String(run.seed)),
  );
  const tail: string[] = [];
  const ending = await launch(run, args, (line) => {
    tail.push(line);
    if (tail.length > TAIL_LINES) tail.shift();
    run.onLine(line);
  });
  if (ending === "exit code 0") return;
  if (run.signal.aborted) {
    throw new PerfoptError(
      "interrupted",
      "seeding was interrupted",
      "the half-filled database is removed; the next start seeds again",
    );
  }
  throw new PerfoptError(
    "cannot-measure",
    `the seed program ended with ${ending}; its output ends with:\n${tail.join("\n") || "(nothing)"}`,
    `run it by hand to see more: ${[run.command.program, ...args].join(" ")} with DATABASE_URL set`,
  );
}

function launch(
  run: SeedRun,
  args: readonly string[],
  onLine: (line: string) => void,
): Promise<string> {
  return new Promise((resolve) => {
    const child = spawn(run.command.program, args, {
      cwd: run.command.directory,
      env: { ...run.environment, DATABASE_URL: run.databaseUrl },
      stdio: ["ignore", "pipe", "pipe"],
      signal: run.signal,
      timeout: TIMEOUT_MS,
      detached: true,
    });
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on("line", (line) => onLine(redactSecrets(line)));
    }
    child.once("error", (error) => resolve(messageOf(error)));
    // `close` rather than `exit`: the last lines have arrived by then.
    child.once("close", (code, signal) =>
      resolve(signal === null ? `exit code ${code}` : `signal ${signal}`),
    );
  });
}
