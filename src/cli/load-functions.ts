/** The load engine as the arms call for it: windows, saturation, and requests one after another. */
import type { ParameterData } from "../core/workload.ts";
import { runWindow } from "../load/engine.ts";
import { probeValidators } from "../load/probes.ts";
import { replayedEndpoints, sendInOrder } from "../load/replay.ts";
import type { LoadRequest } from "../load/request.ts";
import { findSaturation } from "../load/saturation.ts";
import type { ReplayLoad } from "../target/replay.ts";
import type { LoadOptions } from "../target/window.ts";

/** What all requests of a command have in common. */
export type CommonRequest = Omit<
  LoadRequest,
  "baseUrl" | "seed" | "arrivals" | "requestsPerSecond" | "warmupMs" | "windowMs" | "trace" | "data"
>;

/** At least two windows of 2 s, where the service is warm; five or six where it is not, or the machine is busy. */
const SATURATION = {
  connections: 32,
  warmupMs: 1_000,
  durationMs: 2_000,
  settleMsMax: 13_500,
} as const;

export function loadFunctions(
  common: CommonRequest,
  data: ParameterData,
): Pick<LoadOptions, "runLoad" | "saturate"> & {
  readonly replay: ReplayLoad;
  readonly probe: NonNullable<LoadOptions["probe"]>;
} {
  const { workload, timeoutMs, headers, tls } = common;
  const sent = {
    workload,
    data,
    timeoutMs,
    ...(headers ? { headers } : {}),
    ...(tls ? { tls } : {}),
  };
  return {
    runLoad: ({ signal, ...run }) => runWindow({ ...common, data, ...run }, signal),
    saturate: async ({ baseUrl, seed, signal }) => {
      const { requestsPerSecond } = await findSaturation(
        { ...sent, baseUrl, seed, ...SATURATION },
        signal,
      );
      return requestsPerSecond;
    },
    probe: ({ signal, ...run }) => probeValidators({ ...sent, ...run }, signal),
    replay: {
      endpoints: replayedEndpoints(workload),
      sendInOrder: ({ signal, ...run }) => sendInOrder({ ...sent, ...run }, signal),
    },
  };
}
