/** Workers in processes of their own, a slow way to one of them, and load at a steady rate. */
import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Pool } from "undici";

const WORKER = fileURLToPath(new URL("worker.mjs", import.meta.url));
const TICK_MS = 2;
// Longer than the gateways wait, so that what they have to say comes first.
const ANSWER_TIMEOUT_MS = 30_000;

export interface BenchWorker {
  readonly id: string;
  readonly url: string;
  readonly child: ChildProcess;
  readonly asked: () => Promise<number>;
}

export async function startWorkers(count: number): Promise<readonly BenchWorker[]> {
  const ids = Array.from({ length: count }, (_, index) => String(index + 1));
  return Promise.all(
    ids.map(async (id) => {
      const child = fork(WORKER, [], { execArgv: [] });
      const [port] = await once(child, "message");
      const url = `http://127.0.0.1:${Number(port)}`;
      const asked = async () => Number(await (await fetch(`${url}/asked`)).text());
      return { id, url, child, asked };
    }),
  );
}

export async function stopWorkers(workers: readonly BenchWorker[]): Promise<void> {
  await Promise.all(
    workers.map(async ({ child }) => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, "exit");
      child.kill("SIGKILL");
      await ended;
    }),
  );
}

/** What goes through arrives so much later; the way back is as fast as ever. */
export async function delayedWay(
  url: string,
  delayMs: number,
): Promise<{ readonly url: string; readonly close: () => void }> {
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(Number(new URL(url).port), "127.0.0.1");
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.on("error", () => socket.destroy());
      socket.on("close", () => {
        sockets.delete(socket);
        other.destroy();
      });
    }
    near.on("data", (bytes) => setTimeout(() => far.write(bytes), delayMs));
    far.on("data", (bytes) => near.write(bytes));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("No port was given.");
  return {
    url: `http://127.0.0.1:${address.port}`,
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

export interface LoadResult {
  /** From when each request was due. */
  readonly latenciesMs: readonly number[];
  readonly errors: number;
  /** What the errors were, and how many of each. */
  readonly whys: ReadonlyMap<string, number>;
}

/** Requests at a steady rate, whatever becomes of those before. */
export async function drive(
  url: string,
  path: string,
  load: { readonly perSecond: number; readonly durationMs: number },
): Promise<LoadResult> {
  const pool = new Pool(url, {
    connections: 256,
    headersTimeout: ANSWER_TIMEOUT_MS,
    bodyTimeout: ANSWER_TIMEOUT_MS,
  });
  const latenciesMs: number[] = [];
  let errors = 0;
  const whys = new Map<string, number>();
  const failed = (why: string): void => {
    errors += 1;
    whys.set(why, (whys.get(why) ?? 0) + 1);
  };
  const ask = async (dueMs: number): Promise<void> => {
    try {
      const { statusCode, body } = await pool.request({ method: "GET", path });
      await body.dump();
      if (statusCode === 200) latenciesMs.push(performance.now() - dueMs);
      else failed(String(statusCode));
    } catch (error) {
      failed(error instanceof Error ? error.name : String(error));
    }
  };
  const startMs = performance.now();
  const total = Math.round((load.perSecond * load.durationMs) / 1_000);
  const underWay: Promise<void>[] = [];
  while (underWay.length < total) {
    const due = Math.min(total, ((performance.now() - startMs) * load.perSecond) / 1_000);
    while (underWay.length < due)
      underWay.push(ask(startMs + (underWay.length * 1_000) / load.perSecond));
    await wait(TICK_MS);
  }
  await Promise.all(underWay);
  await pool.destroy();
  return { latenciesMs, errors, whys };
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}
