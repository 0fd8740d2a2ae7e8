/** Where rows go: a file that is appended to, or a client on a socket. Neither ever makes the service wait. */
import { close, fchmodSync, openSync, write, writeSync } from "node:fs";
import type { Socket } from "node:net";

/** What waits for a slow disk or reader beyond this is dropped. */
const WAITING_BYTES_MAX = 8 * 1024 ** 2;

export interface Sink {
  /** False: dropped. */
  write(block: Uint8Array): boolean;
  /** As far as possible without waiting; for the end of the process. */
  finishNow(): void;
  /** Resolves when everything is written. */
  close(): Promise<void>;
}

/** Throws where the file cannot be opened. `onError` is called at most once; afterwards everything is dropped. */
export function openFileSink(path: string, onError: () => void): Sink {
  const descriptor = openSync(path, "a", 0o600);
  restrict(descriptor);
  const waiting: Uint8Array[] = [];
  let waitingBytes = 0;
  let busy = false;
  let failed = false;
  let closing: (() => void) | undefined;

  const next = (): void => {
    const block = waiting[0];
    if (block === undefined) {
      busy = false;
      if (closing) close(descriptor, closing);
      return;
    }
    busy = true;
    write(descriptor, block, 0, block.length, null, (error, written) => {
      if (error) {
        failed = true;
        waiting.length = 0;
        onError();
      } else if (waiting[0] === block) {
        waitingBytes -= written;
        if (written < block.length) waiting[0] = block.subarray(written);
        else waiting.shift();
      }
      next();
    });
  };
  return {
    write: (block) => {
      if (failed || closing || waitingBytes + block.length > WAITING_BYTES_MAX) return false;
      waiting.push(block);
      waitingBytes += block.length;
      if (!busy) next();
      return true;
    },
    finishNow: () => {
      if (failed || closing) return;
      // The first was handed to the system, which may have written it: rather lost than twice.
      for (const block of busy ? waiting.slice(1) : waiting) writeSync(descriptor, block);
      waiting.length = 0;
    },
    close: () =>
      new Promise((resolve) => {
        closing = resolve;
        if (!busy) next();
      }),
  };
}

/** A file that was there before may be readable by others. */
function restrict(descriptor: number): void {
  try {
    fchmodSync(descriptor, 0o600);
  } catch {
    // Another user's file, to which we may write: its owner decides who reads it.
  }
}

export function socketSink(socket: Socket): Sink {
  return {
    write: (block) => {
      if (!socket.writable || socket.writableLength + block.length > WAITING_BYTES_MAX)
        return false;
      socket.write(block);
      return true;
    },
    finishNow: () => {
      socket.destroy();
    },
    close: () =>
      new Promise((resolve) => {
        if (socket.destroyed) return resolve();
        socket.once("close", () => resolve());
        socket.end();
      }),
  };
}
