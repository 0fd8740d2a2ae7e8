/** Tier 0: both sides answer the same requests one after another, and what those caused is counted exactly. */
import type { CounterVerdict } from "../core/gate.ts";
import type { Replay } from "../core/replay.ts";
import { throwIfAborted } from "../core/errors.ts";
import type { Role } from "../core/trial.ts";
import { judgeCounters } from "../decide/counters.ts";
import type { GateRun } from "./run.ts";

/** Undefined when nothing of these sides can be counted, or nobody asked. */
export async function compareCounters(run: GateRun): Promise<CounterVerdict | undefined> {
  const { arms, replay } = run;
  if (!arms.replay || !replay) return undefined;
  const replays: Record<Role, Replay[]> = { incumbent: [], candidate: [] };
  for (let index = 0; index < run.limits.replays; index += 1) {
    for (const role of ["incumbent", "candidate"] as const) {
      throwIfAborted(run.signal);
      const side = role === "incumbent" ? "base" : "head";
      run.say(
        `counting what requests cause: ${side}, replay ${index + 1} of ${run.limits.replays}`,
      );
      // A seed of its own for each replay: what the first created, the second must not find.
      replays[role].push(await arms.replay(role, { ...replay, seed: run.seed + index }));
    }
  }
  return judgeCounters(replays.incumbent, replays.candidate);
}
