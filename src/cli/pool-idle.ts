/** After a sweep of the pool's limit: one open-loop window for the advice on idle connections, without which the sweep stands as well. */
import { IDLE_OBSERVED_MS_LEAST } from "../advise/concurrency/pool/idle.ts";
import type { PoolQuestion } from "../advise/concurrency/pool/advise.ts";
import { PerfoptError } from "../core/errors.ts";
import type { TargetView } from "../core/observation.ts";
import { formatDuration } from "../core/units.ts";

export interface IdleWindow {
  /** Of each process. */
  readonly size: number;
  readonly processes: number;
  readonly windowMs: number;
  readonly reconnectsPerMinuteMax: number;
  readonly idleTimeoutMs: number | undefined;
}

/** Both are absent where the window says nothing of a pool. */
export interface IdleLook {
  readonly idle?: NonNullable<PoolQuestion["idle"]>;
  /** Why there is no advice on idle connections. */
  readonly caveat?: string;
}

/** The arrivals of the window that `observe` measures, to be played on a pool. What cannot be measured is a caveat; the rest is thrown. */
export async function lookAtIdle(
  observe: () => Promise<Pick<TargetView, "sample">>,
  pool: IdleWindow,
): Promise<IdleLook> {
  try {
    const { sample } = await observe();
    return sample.valid
      ? idleIn(sample, pool)
      : { caveat: `${NO_ADVICE}: ${sample.invalidBecause.join("; ")}` };
  } catch (error) {
    if (!(error instanceof PerfoptError) || error.code !== "cannot-measure") throw error;
    return { caveat: `${NO_ADVICE}: ${error.message}` };
  }
}

const NO_ADVICE = "idle connections were not judged, since their window could not be used";

function idleIn({ load, metrics }: TargetView["sample"], pool: IdleWindow): IdleLook {
  const use = metrics["pool.useRatio"];
  const { trace = [], requestsPerSecondReached: rate } = load;
  if (pool.windowMs < IDLE_OBSERVED_MS_LEAST) {
    return {
      caveat: `idle connections were not judged: ${formatDuration(pool.windowMs)} of arrivals are less than ${formatDuration(IDLE_OBSERVED_MS_LEAST)}`,
    };
  }
  if (use === undefined || trace.length === 0 || !(rate > 0)) return {};
  const connections = pool.size * pool.processes;
  const idle = {
    arrivalsMs: trace.map(({ atMs }) => atMs),
    observedMs: pool.windowMs,
    // Little's law: connections in use over requests a second.
    holdMs: (use * connections * 1_000) / rate,
    poolMax: connections,
    reconnectsPerMinuteMax: pool.reconnectsPerMinuteMax,
    ...(pool.idleTimeoutMs === undefined ? {} : { presentTimeoutMs: pool.idleTimeoutMs }),
  };
  return { idle };
}
