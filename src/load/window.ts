/** Sends one window's requests on schedule and records what became of each; runs in the load worker. */
import { performance } from "node:perf_hooks";
import { Pool } from "undici";
import { startCpuMeter } from "./cpu.ts";
import { openFlights } from "./flights.ts";
import { startPacer } from "./pacer.ts";
import { windowRecorder } from "./recorder.ts";
import type { GeneratorCpu, CompleteLoadRequest, WindowRecord } from "./request.ts";
import { requestSequence } from "./requests.ts";
import { arrivalSchedule } from "./schedule.ts";

/** Time between the last preparation and the first due time. */
const START_DELAY_MS = 20;

export async function measureWindow(request: CompleteLoadRequest): Promise<WindowRecord> {
  const { dueMs, measuredFrom } = arrivalSchedule(request);
  const next = requestSequence(request.workload, request.data, request.seed);
  const base = new URL(request.baseUrl);
  const pathPrefix = base.pathname.replace(/\/$/, "");
  const startAt = performance.now() + START_DELAY_MS;
  const recorder = windowRecorder(request, startAt + request.warmupMs + request.windowMs);
  const pool = new Pool(base.origin, {
    connections: request.connections,
    pipelining: 1,
    // The flights below have one time limit for everything, finer than undici's.
    headersTimeout: 0,
    bodyTimeout: 0,
    connect: { timeout: request.timeoutMs },
  });
  const flights = openFlights(pool, recorder, request.timeoutMs);
  let stopCpuMeter: (() => GeneratorCpu) | undefined;

  function launch(index: number, dueAt: number): void {
    const measured = index >= measuredFrom;
    if (measured) stopCpuMeter ??= startCpuMeter(() => pacer.restedMs());
    // Drawn even when it is then dropped: the requests that follow stay the same.
    const generated = next();
    if (flights.outstanding() >= request.outstandingMax) {
      if (measured) recorder.drop();
      return;
    }
    const trace = measured
      ? recorder.traceEntry(generated, (dueMs[index] ?? 0) - request.warmupMs)
      : undefined;
    const { endpoint, method, headers, body } = generated;
    flights.send(
      { path: pathPrefix + generated.path, method, headers, body: body ?? null },
      { endpoint, measured, dueAt, trace },
    );
  }

  const pacer = startPacer(startAt, dueMs, launch, flights.expire);
  try {
    await pacer.finished;
    const cpu = stopCpuMeter?.() ?? { share: Number.NaN, source: "loop" };
    await flights.drain();
    return recorder.record(cpu);
  } finally {
    await pool.destroy();
  }
}
