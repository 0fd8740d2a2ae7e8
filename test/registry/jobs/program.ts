/** A program of the service as a process of its own. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

export interface Program {
  /** Where it listens; undefined if it does not. */
  readonly url: string | undefined;
  readonly kill: () => Promise<void>;
}

/** Settles when the program says that it is up. */
export async function startProgram(
  name: "main" | "worker",
  environment: Readonly<Record<string, string>>,
): Promise<Program> {
  const { PORT: _, ...inherited } = process.env;
  const child = spawn(process.execPath, ["--import", "tsx", `src/registry/${name}.ts`], {
    env: { ...inherited, LOG_LEVEL: "fatal", ...environment },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  for await (const line of createInterface(child.stdout)) {
    const entry: unknown = JSON.parse(line);
    if (typeof entry !== "object" || entry === null || !("event" in entry)) continue;
    const port = "port" in entry ? Number(entry.port) : undefined;
    return {
      url: port === undefined ? undefined : `http://127.0.0.1:${port}`,
      async kill() {
        child.kill("SIGKILL");
        await exited;
      },
    };
  }
  throw new Error(`The ${name} ended before it was up.`);
}
