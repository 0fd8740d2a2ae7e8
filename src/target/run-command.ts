/** Runs a program to its end: a build, a migration. */
import { PerfoptError, throwIfAborted } from "../core/errors.ts";
import { logTail, startProcess, stopProcess, type StartOptions } from "./process.ts";

const STOP = { signals: ["SIGTERM"], timeoutMs: 5_000 } as const;

export interface CommandRun extends StartOptions {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** What to do when it fails. */
  readonly hint: string;
}

/** Resolves when it ended well. Throws PerfoptError with its log's end when it fails, or when it had to be ended with its whole group. */
export async function runCommand(run: CommandRun): Promise<void> {
  throwIfAborted(run.signal);
  const running = await startProcess(run);
  const limit = AbortSignal.any([run.signal, AbortSignal.timeout(run.timeoutMs)]);
  let stopping: Promise<void> | undefined;
  const stop = () => {
    stopping = stopProcess(running, STOP);
    // Awaited below; until then its failure has no listener.
    stopping.catch(() => {});
  };
  limit.addEventListener("abort", stop, { once: true });
  if (limit.aborted) stop();
  const ending = await running.ending;
  limit.removeEventListener("abort", stop);
  await stopping;
  throwIfAborted(run.signal);
  if (ending === "exit code 0") return;
  const what = stopping
    ? `was not done after ${Math.round(run.timeoutMs / 1_000)} s`
    : `ended with ${ending}`;
  throw new PerfoptError(
    "cannot-measure",
    `${run.title} ${what}; its log ends with:\n${await logTail(run.logPath)}`,
    run.hint,
  );
}
