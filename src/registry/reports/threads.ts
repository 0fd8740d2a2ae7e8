// The threads that make the parts of reports: a pool of their own, started by the first report and ended when there is none for a while.

import { fileURLToPath } from "node:url";
import { Piscina } from "piscina";
import { createTurns } from "../compute/turns.ts";
import type { Encoded, Part } from "./part.ts";

export type ReportThreads = {
  /** Takes over the part's points: they are gone here. Rejects with the signal's reason if that comes before a thread is free. */
  readonly encode: (part: Part, signal: AbortSignal) => Promise<Encoded>;
  readonly state: () => ReportThreadsState;
  readonly close: () => Promise<void>;
};

export type ReportThreadsState = {
  readonly threadsAlive: number;
  /** Work on parts that ended, as the threads timed it. */
  readonly busySeconds: number;
};

const IDLE_TIMEOUT_MS = 10_000;
// The rows of a part and their text; its points are outside of the heap.
const HEAP_MB_MAX = 1_024;

export function openReportThreads(
  workers: number,
  threadFailed: (error: Error) => void,
): ReportThreads {
  let pool: Piscina | undefined;
  const open = (): Piscina => {
    const opened = new Piscina({
      filename: threadFile(),
      // The flags of this process are its own: some of them would keep a thread from starting.
      execArgv: [],
      minThreads: 0,
      maxThreads: workers,
      idleTimeout: IDLE_TIMEOUT_MS,
      recordTiming: false,
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MB_MAX },
    });
    opened.on("error", threadFailed);
    return opened;
  };
  // The pool's own queue forgets tasks when its last thread ends: it gets no more than it has threads for.
  const turns = createTurns(workers);
  let busySeconds = 0;
  return {
    async encode(part, signal) {
      await turns.take(signal);
      try {
        pool ??= open();
        // A part under way is not broken off: to end its thread and start another costs more than the part.
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what worker.ts returns
        const encoded = (await pool.run(part, {
          transferList: [transferable(part.points)],
        })) as Encoded;
        busySeconds += encoded.busySeconds;
        return encoded;
      } finally {
        turns.give();
      }
    },
    state: () => ({ threadsAlive: pool?.threads.length ?? 0, busySeconds }),
    async close() {
      await pool?.destroy();
    },
  };
}

function transferable({ buffer }: Uint8Array): ArrayBuffer {
  if (buffer instanceof ArrayBuffer) return buffer;
  throw new Error("Shared memory is not handed over.");
}

/** Node 20 does not read TypeScript: from source, a small script installs the loader first. */
function threadFile(): string {
  const file = import.meta.url.endsWith(".ts") ? "./worker-source.mjs" : "./worker.js";
  return fileURLToPath(new URL(file, import.meta.url));
}
