/** The registry as a process of its own that takes imports, looked at from outside. */
import { spawn } from "node:child_process";
import { createReadStream, readFileSync, statSync } from "node:fs";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { request } from "undici";
import { API_BASE } from "../../src/registry/endpoint.ts";

export interface Service {
  readonly url: string;
  readonly pid: number;
  /** Sends a file; the parsed answer, or throws. */
  readonly importFile: (path: string, query: string) => Promise<ImportAnswer>;
  /** The most memory it has had, in MB (VmHWM of /proc). */
  readonly peakRssMb: () => number;
  /** CPU seconds so far (utime and stime of /proc, in ticks of 10 ms). */
  readonly cpuSeconds: () => number;
  readonly metric: (name: string) => Promise<number>;
  /** SIGKILL: nothing is closed or ended. */
  readonly kill: () => Promise<void>;
}

export interface ImportAnswer {
  readonly lines: number;
  readonly written: number;
  readonly unchanged: number;
  readonly rejected: number;
}

const IMPORT_TIMEOUT_MS = 900_000;
const TICKS_PER_SECOND = 100;

export async function startService(
  environment: Record<string, string>,
  nodeOptions: readonly string[] = [],
): Promise<Service> {
  const child = spawn(
    process.execPath,
    [...nodeOptions, "--import", "tsx", "src/registry/main.ts"],
    {
      env: { ...process.env, PORT: "0", LOG_LEVEL: "fatal", THREADS_MIN: "0", ...environment },
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  const exited = once(child, "exit");
  const { port, pid } = await listening(child.stdout);
  const url = `http://127.0.0.1:${port}`;
  return {
    url,
    pid,
    async importFile(path, query) {
      const answer = await request(`${url}${API_BASE}/bulk/import?${query}`, {
        method: "POST",
        headers: {
          "content-type": "application/x-ndjson",
          "content-length": String(statSync(path).size),
        },
        body: createReadStream(path, { highWaterMark: 256 * 1024 }),
        headersTimeout: IMPORT_TIMEOUT_MS,
        bodyTimeout: IMPORT_TIMEOUT_MS,
      });
      const text = await answer.body.text();
      if (answer.statusCode !== 200)
        throw new Error(`An import was answered with ${answer.statusCode}: ${text}`);
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the answer that the service documents
      return JSON.parse(text) as ImportAnswer;
    },
    peakRssMb() {
      const [, kb] = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
      return Number(kb) / 1024;
    },
    cpuSeconds() {
      // After the program's name, which may hold anything: fields 14 and 15 of proc(5).
      const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ") ?? [];
      return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
    },
    async metric(name) {
      const answer = await request(`${url}/metrics`);
      return (await answer.body.text())
        .split("\n")
        .filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
        .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" "))), 0);
    },
    async kill() {
      child.kill("SIGKILL");
      await exited;
    },
  };
}

async function listening(stdout: NodeJS.ReadableStream): Promise<{ port: number; pid: number }> {
  for await (const line of createInterface(stdout)) {
    const entry: unknown = JSON.parse(line);
    if (typeof entry === "object" && entry !== null && "port" in entry && "pid" in entry)
      return { port: Number(entry.port), pid: Number(entry.pid) };
  }
  throw new Error("The registry ended before it listened.");
}
