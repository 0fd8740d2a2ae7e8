/** The bench: two arms of a target that perfopt starts, alike in everything but the changes they are told to have. */
import { throwIfAborted } from "../core/errors.ts";
import type { Change } from "../core/knob.ts";
import type { Bench } from "../core/ports.ts";
import type { Role } from "../core/trial.ts";
import { stageArm, stopArmService, type ArmOptions } from "./arm.ts";
import { tidyTables } from "./arm-database.ts";
import { runningService, sampleArm, saturateArm } from "./loaded.ts";
import { observeArm, type ObserveOptions } from "./observe.ts";
import { levelArms, openOrigin } from "./level.ts";
import { openPair, restartPair, type Arms } from "./pair.ts";
import { copyContents } from "./redis-server.ts";
import { openStand } from "./stand.ts";

/** How candidates are compared on a target that perfopt starts, for reports. */
export const BENCH_DESIGN =
  "two arms, each with its own service process, database clone and Redis, measured in interleaved pairs with one arm under load at a time";

export interface BenchOptions extends ArmOptions, ObserveOptions {
  /**
   * Whether windows write in bulk, so that a further copy of the database pays, to begin blocks of pairs with: on a server of perfopt's
   * own, that is, where its room is nobody else's.
   */
  readonly writesInBulk?: boolean;
}

export interface OpenBench extends Bench {
  /** Stops and removes everything that the bench made; safe to call more than once and after any failure. */
  readonly close: () => Promise<void>;
}

export async function openBench(options: BenchOptions): Promise<OpenBench> {
  const both = { incumbent: options, candidate: options };
  const stand = await openStand(options, async (undo) => {
    const keeps = options.writesInBulk === true && options.source.server !== undefined;
    const origin = keeps ? await openOrigin(options, undo) : undefined;
    return { origin, arms: await openPair(both, undo) };
  });
  const { exclusively, close } = stand;
  const { arms, origin } = stand.arms;
  return {
    setArm: (role, changes) =>
      exclusively(async () => {
        // Blocks of pairs begin with the incumbent; a search on the candidate alone does not pay for it.
        if (role === "incumbent") await levelArms(arms, origin);
        await setArm(arms, role, changes);
      }),
    restartArms: () =>
      exclusively(async () => {
        await levelArms(arms, origin);
        await restartPair(arms);
      }),
    sample: ({ role, ...request }) =>
      exclusively(async () => {
        const sample = await sampleArm(arms[role], request, options);
        passOn(arms, role);
        return sample;
      }),
    saturate: (seed, role = "incumbent") =>
      exclusively(() => saturateArm(arms[role], seed, options)),
    observe: (request) =>
      exclusively(async () => {
        const { view } = await observeArm(arms.incumbent, request, options);
        passOn(arms, "incumbent");
        return view;
      }),
    close,
  };
}

/** Where a window has cost its arm the process, for work that was given up on, the other one gets a fresh one too. */
function passOn(arms: Arms, role: Role): void {
  if (!arms[role].stale) return;
  arms.incumbent.stale = true;
  arms.candidate.stale = true;
}

/**
 * Afterwards both arms are alike but for the changes: where one got a new process, the other gets one too; where Redis or
 * the service's settings changed, the candidate's Redis takes over the incumbent's contents, so that no earlier candidate's
 * entries help a later one; where an index or statistics changed, the table is vacuumed and analysed on both.
 */
async function setArm(arms: Arms, role: Role, changes: readonly Change[]): Promise<void> {
  const arm = arms[role];
  throwIfAborted(arm.options.signal);
  const staged = await stageArm(arm, changes);
  if (staged.tables.length > 0) {
    await tidyTables(arms.incumbent, staged.tables);
    await tidyTables(arms.candidate, staged.tables);
  }
  if (staged.environment) {
    // The other one's follows when it is needed: a search on one arm alone does not pay for it.
    arms.incumbent.stale = true;
    arms.candidate.stale = true;
  }
  if ((staged.environment || staged.redis) && arms.incumbent.redis && arms.candidate.redis) {
    // Copying replaces what the process may be reading.
    if (staged.environment) await stopArmService(arms.candidate);
    await copyContents(arms.incumbent.redis, arms.candidate.redis);
  }
  await runningService(arm);
}
