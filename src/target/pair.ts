/** Two arms side by side: opened, started and restarted together. */
import type { Role } from "../core/trial.ts";
import { openArm, startArmService, stopArmService, type Arm, type ArmOptions } from "./arm.ts";
import type { Undo } from "./stand.ts";

export type Arms = Readonly<Record<Role, Arm>>;

/** Both with their processes ready. */
export async function openPair(
  options: Readonly<Record<Role, ArmOptions>>,
  undo: Undo[],
): Promise<Arms> {
  const incumbent = await openArm("incumbent", options.incumbent, undo);
  const candidate = await openArm("candidate", options.candidate, undo);
  const arms = { incumbent, candidate };
  await startBoth(arms);
  return arms;
}

/** Fresh processes on both arms, ports swapped. */
export async function restartPair(arms: Arms): Promise<void> {
  await stopArmService(arms.incumbent);
  await stopArmService(arms.candidate);
  const port = arms.incumbent.port;
  arms.incumbent.port = arms.candidate.port;
  arms.candidate.port = port;
  await startBoth(arms);
}

async function startBoth(arms: Arms): Promise<void> {
  // Both have settled before a failure is reported, so that closing meets no process that is still starting.
  const started = await Promise.allSettled([
    startArmService(arms.incumbent),
    startArmService(arms.candidate),
  ]);
  for (const each of started) {
    if (each.status === "rejected") throw each.reason;
  }
}
