/** Interleaved pairs of base and head, with the same requests, one side under load at a time. */
import { throwIfAborted } from "../core/errors.ts";
import type { GateWindow } from "../core/gate.ts";
import type { Sample } from "../core/sample.ts";
import type { Role } from "../core/trial.ts";
import { orderOf } from "../decide/order.ts";
import type { GatePair } from "../decide/usable.ts";
import type { GateRun, GateState } from "./run.ts";

/** Pair number `index` (from 0) of a block, valid or not: a window of no use to latency may be of use to counters. */
export async function measurePair(
  run: GateRun,
  state: GateState,
  block: GateWindow["block"],
  index: number,
  /** Counts the fresh processes of the whole gate. */
  generation: number,
): Promise<GatePair> {
  const order = orderOf(run.seed, block, index);
  const seed = state.nextSeed++;
  const roles: readonly Role[] =
    order === "incumbent-first" ? ["incumbent", "candidate"] : ["candidate", "incumbent"];
  const samples: Partial<Record<Role, Sample>> = {};
  for (const role of roles) {
    throwIfAborted(run.signal);
    const sample = await run.arms.sample({ role, seed, ...windowOf(run, state) });
    throwIfAborted(run.signal);
    note(run, state, { block, pair: index, role, order }, sample);
    samples[role] = sample;
  }
  const { incumbent, candidate } = samples;
  if (!incumbent || !candidate) throw new Error("a pair has two samples");
  return { order, generation, incumbent, candidate };
}

function windowOf({ load }: GateRun, { rate }: GateState) {
  if (!rate) throw new Error("the rate is chosen before the first pair");
  const { arrivals, warmupMs, windowMs } = load;
  return { requestsPerSecond: rate.requestsPerSecond, arrivals, warmupMs, windowMs };
}

function note(
  run: GateRun,
  state: GateState,
  where: Pick<GateWindow, "block" | "pair" | "role" | "order">,
  sample: Sample,
): void {
  const { valid, invalidBecause, metrics } = sample;
  const window: GateWindow = { ...where, valid, invalidBecause, metrics };
  state.windows.push(window);
  run.onWindow(window, sample);
}
