/** A block of pairs, measured until the test has decided, or the time or the machine gives out. */
import type { GateWindow } from "../core/gate.ts";
import { spoilsLatencyOnly } from "../core/sample.ts";
import type { GateJudgement } from "../decide/gate.ts";
import type { GatePair } from "../decide/usable.ts";
import { measurePair } from "./pairs.ts";
import type { GateRun, GateState } from "./run.ts";

export interface Block {
  readonly pairs: readonly GatePair[];
  readonly decided: Extract<GateJudgement, { kind: "decided" }>;
}

/** `judge` is asked after each pair; with `ended` it has to decide by what there is. */
export async function measureBlock(
  run: GateRun,
  state: GateState,
  block: GateWindow["block"],
  judge: (pairs: readonly GatePair[], ended: boolean) => GateJudgement,
): Promise<Block> {
  const pairs: GatePair[] = [];
  for (;;) {
    if (pairs.length % run.limits.restartEveryPairs === 0) await freshProcesses(run, state);
    run.say(`${words(block)}: pair ${pairs.length + 1}, at most ${run.rule.pairsMax} valid ones`);
    pairs.push(await measurePair(run, state, block, pairs.length, state.generation));
    const ended = run.clock.now() >= run.deadline || isHopeless(run, pairs);
    const judgement = judge(pairs, ended);
    if (judgement.kind === "decided") return { pairs, decided: judgement };
    if (ended) throw new Error("a block that has ended is decided");
  }
}

/** A service that fails its requests will not stop doing so: every pair of it costs seconds and says nothing. */
function isHopeless(run: GateRun, pairs: readonly GatePair[]): boolean {
  const useless = pairs.filter(({ incumbent, candidate }) =>
    [incumbent, candidate].some(({ load }) =>
      load.checks.some((check) => !check.ok && !spoilsLatencyOnly(check)),
    ),
  ).length;
  return useless > run.limits.unusablePairsMax && useless > pairs.length / 2;
}

/**
 * What a process is born with, its memory layout and its port, changes with every start. Where perfopt cannot restart the services,
 * all pairs stay one generation, and the test knows that they are not independent.
 */
export async function freshProcesses(run: GateRun, state: GateState): Promise<void> {
  if (!run.arms.restartArms) return;
  run.say("fresh processes on both sides, ports swapped");
  await run.arms.restartArms();
  state.generation += 1;
}

function words(block: GateWindow["block"]): string {
  return block === "trial" ? "comparing base and head" : "confirming the regression";
}
