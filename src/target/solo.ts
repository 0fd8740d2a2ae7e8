/** One arm of a target that perfopt starts, for measuring one version by itself. */
import type { Replay, ReplayRequest } from "../core/replay.ts";
import type { Sample } from "../core/sample.ts";
import { openArm, startArmService, type ArmOptions } from "./arm.ts";
import { replayArm, sampleArm, saturateArm } from "./loaded.ts";
import type { ReplayLoad } from "./replay.ts";
import { openStand } from "./stand.ts";
import type { ArmRequest, LoadOptions } from "./window.ts";

const DESIGN = "one service process with a database clone and a Redis of its own";

export interface SoloOptions extends ArmOptions, LoadOptions {
  /** Absent: nothing is replayed. */
  readonly replay?: ReplayLoad;
}

/** One service to measure, whoever started it. */
export interface Solo {
  /** One phrase, for results. */
  readonly design: string;
  /** A fresh process. Does nothing for a service that perfopt did not start. */
  readonly restart: () => Promise<void>;
  readonly sample: (request: ArmRequest) => Promise<Sample>;
  readonly saturate: (seed: number) => Promise<number>;
  /** Undefined where nothing can be counted, or nobody asked. */
  readonly replay: ((request: ReplayRequest) => Promise<Replay>) | undefined;
  /** Of its own database, with perfopt's rights; undefined for a service that perfopt did not start. */
  readonly databaseUrl?: string;
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
    restart: () => exclusively(() => startArmService(arm)),
    sample: (request) => exclusively(() => sampleArm(arm, request, options)),
    saturate: (seed) => exclusively(() => saturateArm(arm, seed, options)),
    replay: replay && ((request) => exclusively(() => replayArm(arm, request, replay))),
    close,
  };
}
