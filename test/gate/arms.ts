/** Arms whose truth is known: what they report is their metrics with seeded noise, and every call is noted. */
import type { GateArms } from "../../src/core/ports.ts";
import type { Replay } from "../../src/core/replay.ts";
import type { MetricValues, Sample } from "../../src/core/sample.ts";
import type { Role } from "../../src/core/trial.ts";
import { createNoise } from "../noise.ts";
import { makeSample } from "../samples.ts";

export interface SimulatedArms {
  /** Truth of each side. */
  readonly metrics: Readonly<Record<Role, MetricValues>>;
  readonly replays?: Readonly<Record<Role, Replay>>;
  readonly seed?: number;
  /** Standard deviation of one window's logarithm. */
  readonly cv?: number;
  /** Services that cannot be restarted. */
  readonly fixed?: boolean;
  /** What becomes of the sample of the n-th window (from 0). */
  readonly spoil?: (sample: Sample, window: number) => Sample;
}

export interface OpenSimulatedArms extends GateArms {
  readonly calls: readonly string[];
}

export function simulatedArms(options: SimulatedArms): OpenSimulatedArms {
  const noise = createNoise({ cv: options.cv ?? 0.02 }, options.seed ?? 1);
  const calls: string[] = [];
  let windows = 0;
  const { replays } = options;
  return {
    design: "simulated",
    calls,
    restartArms: options.fixed ? undefined : async () => void calls.push("restart"),
    saturate: async () => {
      calls.push("saturate");
      return 1_000;
    },
    sample: async (request) => {
      calls.push(`${request.role} ${request.seed} ${request.requestsPerSecond}/s`);
      const sample = makeSample(noise.window(options.metrics[request.role], 0), request);
      return options.spoil?.(sample, windows++) ?? sample;
    },
    replay:
      replays &&
      (async (role) => {
        calls.push(`replay ${role}`);
        return replays[role];
      }),
  };
}

/** One endpoint with these statements, each called so often in 10 requests. */
export function replayOf(calls: Readonly<Record<string, number>>): Replay {
  return {
    unmeasured: [],
    endpoints: [
      {
        endpoint: "search",
        requests: 10,
        errors: 0,
        responseBytes: 1_000,
        statements: Object.entries(calls).map(([sql, count]) => ({
          sql,
          calls: count,
          rows: count,
          buffers: 3 * count,
        })),
      },
    ],
  };
}
