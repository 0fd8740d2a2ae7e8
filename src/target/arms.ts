/** The bench: two arms of a target that perfopt starts, alike in everything but the changes they are told to have. */
import { availableParallelism, totalmem } from "node:os";
import { throwIfAborted } from "../core/errors.ts";
import type { Change } from "../core/knob.ts";
import type { TargetView } from "../core/observation.ts";
import type { Bench } from "../core/ports.ts";
import type { Role } from "../core/trial.ts";
import { stageArm, stopArmService, tidyTables, type Arm, type ArmOptions } from "./arm.ts";
import { statementsInWindow } from "./differences.ts";
import { measureArm, runningService, sampleArm, saturateArm } from "./loaded.ts";
import { openPair, restartPair, type Arms } from "./pair.ts";
import { copyContents } from "./redis-server.ts";
import { sampleFrom } from "./sample.ts";
import { openStand } from "./stand.ts";
import { databaseView, redisStats } from "./view.ts";
import type { ArmRequest, LoadOptions } from "./window.ts";

/** How candidates are compared on a target that perfopt starts, for reports. */
export const BENCH_DESIGN =
  "two arms, each with its own service process, database clone and Redis, measured in interleaved pairs with one arm under load at a time";

const STATEMENTS_MAX = 200;

export interface BenchOptions extends ArmOptions, LoadOptions {
  /** perfopt's own folder, for the planner's servers. */
  readonly home: string;
}

export interface OpenBench extends Bench {
  /** Stops and removes everything that the bench made; safe to call more than once and after any failure. */
  readonly close: () => Promise<void>;
}

export async function openBench(options: BenchOptions): Promise<OpenBench> {
  const both = { incumbent: options, candidate: options };
  const { arms, exclusively, close } = await openStand(options, (undo) => openPair(both, undo));
  return {
    setArm: (role, changes) => exclusively(() => setArm(arms, role, changes)),
    restartArms: () => exclusively(() => restartPair(arms)),
    sample: ({ role, ...request }) => exclusively(() => sampleArm(arms[role], request, options)),
    saturate: (seed) => exclusively(() => saturateArm(arms.incumbent, seed, options)),
    observe: (request) => exclusively(() => observe(arms.incumbent, request, options)),
    close,
  };
}

/**
 * Afterwards both arms are alike but for the changes: where one got a new process, the other gets one too; where Redis or
 * the service's settings changed, the candidate's Redis takes over the incumbent's contents, so that no earlier candidate's
 * entries help a later one; where an index changed, the table is vacuumed and analysed on both.
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

async function observe(arm: Arm, request: ArmRequest, options: BenchOptions): Promise<TargetView> {
  const measured = await measureArm(arm, { ...request, trace: true }, options);
  const { before, after } = measured;
  const database = databaseView({ ...options, url: arm.adminUrl });
  return {
    knobs: options.targetFile.knobs,
    values: arm.values,
    sample: sampleFrom(measured),
    statements: (statementsInWindow(before, after) ?? []).slice(0, STATEMENTS_MAX),
    redis: redisStats(before.redis, after.redis),
    database,
    machine: { cores: availableParallelism(), memoryBytes: totalmem() },
  };
}
