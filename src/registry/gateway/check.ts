// Asks one worker whether it is ready, on a connection of its own.

import { get } from "node:http";

export const READY_PATH = "/readyz";

export type CheckResult =
  | { readonly ok: true }
  /** `slow`: it took the connection and did not answer in time, or answered 503; it may only be busy, with a full pool. */
  | { readonly ok: false; readonly slow: boolean; readonly why: string };

const TIMEOUT_MAX_MS = 5_000;
const TIMEOUT_SHARE = 0.75;
const UNAVAILABLE = 503;
const RECHECK_MAX_MS = 1_000;

/** Below the interval, so that a worker which hangs right after a check is out within two. */
export function checkTimeoutMs(intervalMs: number): number {
  return Math.min(Math.floor(intervalMs * TIMEOUT_SHARE), TIMEOUT_MAX_MS);
}

/** How often one that is out is asked: a burst that filled its pool is over long before an interval of half a minute. */
export function recheckMs(intervalMs: number): number {
  return Math.min(intervalMs, RECHECK_MAX_MS);
}

export function checkReady(url: string, timeoutMs: number): Promise<CheckResult> {
  return new Promise((resolve) => {
    let connected = false;
    const signal = AbortSignal.timeout(timeoutMs);
    // A kept connection could hide a server that takes no new ones.
    const request = get(new URL(READY_PATH, url), { agent: false, signal }, (response) => {
      response.resume();
      const status = response.statusCode ?? 0;
      if (status === 200) resolve({ ok: true });
      else
        resolve({
          ok: false,
          slow: status === UNAVAILABLE,
          why: `${READY_PATH} answers ${status}`,
        });
    });
    request.once("socket", (socket) => socket.once("connect", () => (connected = true)));
    request.once("error", (error) => {
      const why = signal.aborted
        ? `${READY_PATH} did not answer in ${timeoutMs} ms`
        : error.message || error.name;
      resolve({ ok: false, slow: connected && signal.aborted, why });
    });
  });
}
