/** One arm of a target that perfopt starts, for measuring one version by itself. */
import type { Change } from "../core/knob.ts";
import type { Replay, ReplayRequest } from "../core/replay.ts";
import type { Sample, ValidatorProbe } from "../core/sample.ts";
import { openArm, stageArm, startArmService, type ArmOptions } from "./arm.ts";
import { probeArm, replayArm, sampleArm, saturateArm } from "./loaded.ts";
import { observeArm, type Observed, type ObserveOptions } from "./observe.ts";
import type { ReplayLoad } from "./replay.ts";
import { openStand } from "./stand.ts";
import type { ArmRequest } from "./window.ts";

const DESIGN = "one service process with a database clone and a Redis of its own";

export interface SoloOptions extends ArmOptions, ObserveOptions {
  /** Absent: nothing is replayed. */
  readonly replay?: ReplayLoad;
}

/** One service to measure, whoever started it. */
export interface Solo {
  /** One phrase, for results. */
  readonly design: string;
  /** A fresh process. Does nothing for a service that perfopt did not start. */
  readonly restart: () => Promise<void>;
  /** Brings it to the values that it was found with plus these changes; a changed environment means a fresh process. Undefined for a service that perfopt did not start. */
  readonly change?: (changes: readonly Change[]) => Promise<void>;
  readonly sample: (request: ArmRequest) => Promise<Sample>;
  /** A sample with everything that can be looked at. Undefined for a service that perfopt did not start. */
  readonly observe: ((request: ArmRequest) => Promise<Observed>) | undefined;
  readonly saturate: (seed: number) => Promise<number>;
  /** What the service makes of validators; undefined where nobody said how to ask, and for a service that perfopt did not start. */
  readonly probe?: (seed: number) => Promise<readonly ValidatorProbe[] | undefined>;
  /** Undefined where nothing can be counted, or nobody asked. */
  readonly replay: ((request: ReplayRequest) => Promise<Replay>) | undefined;
  /** Of its own database, with perfopt's rights; undefined for a service that perfopt did not start. */
  readonly databaseUrl?: string;
  /** Of its own Redis; undefined without one, and for a service that perfopt did not start. */
  readonly redisUrl?: string;
  /** Stops and removes everything that was made; safe to call more than once and after any failure. */
  readonly close: () => Promise<void>;
}

export async function openSolo(options: SoloOptions): Promise<Solo> {
  const stand = await openStand(options, async (undo) => {
    const opened = await openArm("incumbent", options, undo);
    await startArmService(opened);
    return opened;
  });
  const { arms: arm, exclusively, close } = stand;
  const { replay } = options;
  return {
    design: DESIGN,
    databaseUrl: arm.adminUrl,
    ...(arm.redis ? { redisUrl: arm.redis.url } : {}),
    restart: () => exclusively(() => startArmService(arm)),
    // The next window starts the process.
    change: (changes) => exclusively(async () => void (await stageArm(arm, changes))),
    sample: (request) => exclusively(() => sampleArm(arm, request, options)),
    observe: (request) => exclusively(() => observeArm(arm, request, options)),
    saturate: (seed) => exclusively(() => saturateArm(arm, seed, options)),
    probe: (seed) => exclusively(() => probeArm(arm, seed, options)),
    replay: replay && ((request) => exclusively(() => replayArm(arm, request, replay))),
    close,
  };
}
