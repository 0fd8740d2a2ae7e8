/** One arm under load: its process made sure of, then windows, saturation and replays on it. */
import { throwIfAborted } from "../core/errors.ts";
import { knobByRole } from "../core/observation.ts";
import type { Replay, ReplayRequest } from "../core/replay.ts";
import type { Sample, ValidatorProbe } from "../core/sample.ts";
import { startArmService, stopArmService, type Arm, type RunningService } from "./arm.ts";
import { endSessions } from "./clone.ts";
import { NO_REDIS } from "./counters.ts";
import type { Measured } from "./differences.ts";
import { emptyRedis } from "./redis-server.ts";
import { replayOn, type ReplayLoad } from "./replay.ts";
import { sampleFrom } from "./sample.ts";
import {
  measureWindow,
  whileAlive,
  type ArmRequest,
  type LoadOptions,
  type Subject,
} from "./window.ts";

export async function sampleArm(
  arm: Arm,
  request: ArmRequest,
  options: LoadOptions,
): Promise<Sample> {
  return sampleFrom(await measureArm(arm, { ...request, trace: false }, options));
}

export async function measureArm(
  arm: Arm,
  request: ArmRequest & { readonly trace: boolean },
  options: LoadOptions,
): Promise<Measured> {
  const measured = await measureWindow(subjectOf(arm, await runningService(arm)), request, options);
  if (measured.load.tasks?.some(({ failed }) => failed > 0) === true) await endLeftovers(arm);
  return measured;
}

/** The service may still work on what its client gave up on: the next window begins without it. */
async function endLeftovers(arm: Arm): Promise<void> {
  await stopArmService(arm);
  await endSessions(arm.adminUrl);
}

export async function saturateArm(arm: Arm, seed: number, options: LoadOptions): Promise<number> {
  const service = await runningService(arm);
  return whileAlive(service, options.signal, (signal) =>
    options.saturate({ baseUrl: service.baseUrl, seed, signal }),
  );
}

/** Undefined where nobody said how to ask. */
export async function probeArm(
  arm: Arm,
  seed: number,
  options: LoadOptions,
): Promise<readonly ValidatorProbe[] | undefined> {
  const { probe } = options;
  if (!probe) return undefined;
  const service = await runningService(arm);
  return whileAlive(service, options.signal, (signal) =>
    probe({ baseUrl: service.baseUrl, seed, signal }),
  );
}

/**
 * On a fresh process and an empty Redis. What the replay writes stays: arms that have had the same replays in the same order
 * are in the same state. No window uses the process afterwards, since the other arm may have none of that age.
 */
export async function replayArm(
  arm: Arm,
  request: ReplayRequest,
  load: ReplayLoad,
): Promise<Replay> {
  await stopArmService(arm);
  if (arm.redis) await emptyRedis(arm.redis.client);
  const service = await runningService(arm);
  arm.stale = true;
  return replayOn(subjectOf(arm, service), request, { ...load, signal: arm.options.signal });
}

/** The arm's process; a fresh one when it ended, or when the other arm has had a fresh one. */
export async function runningService(arm: Arm): Promise<RunningService> {
  throwIfAborted(arm.options.signal);
  if (arm.stale || !arm.service || arm.service.process.ended() !== undefined) {
    await startArmService(arm);
  }
  if (!arm.service) throw new Error("a started service is there");
  return arm.service;
}

function subjectOf(arm: Arm, service: RunningService): Subject {
  const { targetFile, source } = arm.options;
  const { metrics, headers } = targetFile.service;
  const poolMax = knobByRole({ knobs: targetFile.knobs, values: arm.values }, "pool-max")?.value;
  return {
    baseUrl: service.baseUrl,
    process: service.process,
    poolMax: typeof poolMax === "number" ? poolMax : undefined,
    sources: {
      database: arm.session.client,
      postmasterPid: source.server?.process.pid,
      redis: arm.redis?.client,
      service: service.use,
      metrics: metrics && {
        url: `${service.baseUrl}${metrics.path}`,
        series: metrics.series,
        ...(metrics.histograms ? { histograms: metrics.histograms } : {}),
        ...(headers ? { headers } : {}),
      },
      unmeasured: arm.redis ? [] : [NO_REDIS],
    },
  };
}
