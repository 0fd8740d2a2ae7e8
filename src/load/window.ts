/** Sends one worker's part of a window and records what became of each request; runs in a load worker. */
import { sendArrivals } from "./arrivals.ts";
import { openConnection } from "./connection.ts";
import { openCookies } from "./cookies.ts";
import { cpuBetween } from "./cpu.ts";
import { openFlights } from "./flights.ts";
import { windowRecorder } from "./recorder.ts";
import type { CompleteLoadRequest, WindowRecord } from "./request.ts";
import { openRevalidation } from "./revalidation.ts";
import { shareOfPart } from "./sending.ts";
import type { Part, PrepareSending } from "./sending.ts";
import { sendSessions } from "./sessions.ts";
import { sendUsers } from "./users.ts";

/**
 * Prepares everything that takes time; the returned function sends it, `startAt` being the warm-up's start in `performance.now()`
 * milliseconds, and goes on after the window's end for as long as `goesOn` says so.
 */
export function prepareWindow(
  whole: CompleteLoadRequest,
  part: Part,
): (startAt: number, goesOn?: () => boolean) => Promise<WindowRecord> {
  const request = {
    ...whole,
    connections: Math.max(1, shareOfPart(whole.connections, part)),
    outstandingMax: Math.max(1, shareOfPart(whole.outstandingMax, part)),
  };
  const send = senderOf(request)(request, part);
  const { pool, pathPrefix } = openConnection(request);
  return async (startAt, goesOn) => {
    const windowStartsAt = startAt + request.warmupMs;
    const windowEndsAt = windowStartsAt + request.windowMs;
    const recorder = windowRecorder(request, windowEndsAt);
    const flights = openFlights(pool, recorder, request.timeoutMs, request.headers);
    try {
      const revalidation = openRevalidation(request);
      const cookies = openCookies(request);
      const pipes = { recorder, flights, revalidation, cookies, pathPrefix };
      const stage = { ...pipes, startAt, windowStartsAt, windowEndsAt, goesOn };
      const pacer = send(stage);
      const cpu = cpuBetween(windowStartsAt, windowEndsAt, pacer.restedMs);
      await pacer.finished;
      await flights.drain();
      return recorder.record(await cpu);
    } finally {
      await pool.destroy();
    }
  };
}

function senderOf({ users, workload }: CompleteLoadRequest): PrepareSending {
  if (users) return (request, part) => sendUsers(request, users, part);
  return (workload.sessions ?? []).length > 0 ? sendSessions : sendArrivals;
}
