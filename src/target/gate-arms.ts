/** The gate's arms on targets that perfopt starts: two versions of a service, or one version twice, alike in everything else. */
import type { GateArms } from "../core/ports.ts";
import type { TargetFile } from "../core/target-file.ts";
import type { Role } from "../core/trial.ts";
import type { ArmOptions } from "./arm.ts";
import type { KnobValues } from "./knob-values.ts";
import { replayArm, sampleArm, saturateArm } from "./loaded.ts";
import { openPair, restartPair } from "./pair.ts";
import type { ReplayLoad } from "./replay.ts";
import { openStand } from "./stand.ts";
import type { LoadOptions } from "./window.ts";

const DESIGN =
  "both versions side by side, each with its own service process, database clone and Redis, measured in interleaved pairs with one under load at a time";

export interface GateArmsOptions
  extends Omit<ArmOptions, "targetFile" | "baselineValues">, LoadOptions {
  /** The base is the incumbent, the head the candidate; for an A/A test, the same twice. */
  readonly targets: Readonly<Record<Role, TargetFile>>;
  /** Of the knobs of each; those that are not named have their defaults. */
  readonly values: Readonly<Record<Role, KnobValues>>;
  /** Absent: nothing is replayed. */
  readonly replay?: ReplayLoad;
}

export interface OpenGateArms extends GateArms {
  /** Stops and removes everything that was made; safe to call more than once and after any failure. */
  readonly close: () => Promise<void>;
}

export async function openGateArms(options: GateArmsOptions): Promise<OpenGateArms> {
  const of = (role: Role): ArmOptions => ({
    ...options,
    targetFile: options.targets[role],
    baselineValues: options.values[role],
  });
  const both = { incumbent: of("incumbent"), candidate: of("candidate") };
  const { arms, exclusively, close } = await openStand(options, (undo) => openPair(both, undo));
  const { replay } = options;
  return {
    design: DESIGN,
    restartArms: () => exclusively(() => restartPair(arms)),
    sample: ({ role, ...request }) => exclusively(() => sampleArm(arms[role], request, options)),
    saturate: (seed) => exclusively(() => saturateArm(arms.incumbent, seed, options)),
    replay:
      replay &&
      ((role, request) =>
        exclusively(async () => {
          // Windows that follow need processes of one age.
          arms.incumbent.stale = true;
          arms.candidate.stale = true;
          return replayArm(arms[role], request, replay);
        })),
    close,
  };
}
