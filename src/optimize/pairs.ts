/** Interleaved pairs: both arms measured back to back with the same requests, in random order, one under load at a time. */
import { throwIfAborted } from "../core/errors.ts";
import type { WindowRequest } from "../core/ports.ts";
import type { Sample } from "../core/sample.ts";
import type { Pair, Role } from "../core/trial.ts";
import { orderOf } from "../decide/order.ts";
import type { Run, RunState } from "./run.ts";

export type PairResult =
  | { readonly kind: "pair"; readonly pair: Pair }
  | { readonly kind: "invalid"; readonly role: Role; readonly sample: Sample };

/** Which of the workload's tasks a window does. */
export type Tasks = NonNullable<WindowRequest["tasks"]>;

/** Measures pair number `index` (from 0) of a block; every window goes to the journal, valid or not. */
export async function measurePair(
  run: Run,
  state: RunState,
  { block, tasks }: { readonly block: string; readonly tasks: Tasks },
  index: number,
): Promise<PairResult> {
  throwIfAborted(run.signal);
  const startedAt = run.clock.now();
  const order = orderOf(run.seed, block, index);
  const seed = state.nextSeed++;
  const roles: readonly Role[] =
    order === "incumbent-first" ? ["incumbent", "candidate"] : ["candidate", "incumbent"];
  const samples: Partial<Record<Role, Sample>> = {};
  for (const role of roles) {
    const sample = await run.bench.sample({ role, seed, ...windowOf(run, state), tasks });
    throwIfAborted(run.signal);
    await run.journal.append({ type: "sampled", block, pair: index, role, order, sample });
    if (!sample.valid) return { kind: "invalid", role, sample };
    samples[role] = sample;
  }
  const { incumbent, candidate } = samples;
  if (!incumbent || !candidate) throw new Error("a pair has two samples");
  const { pairs, ms } = state.pairsTook;
  state.pairsTook = { pairs: pairs + 1, ms: ms + run.clock.now() - startedAt };
  return { kind: "pair", pair: { order, incumbent, candidate } };
}

/** The requests of one window, the same for every window of a run. */
export function windowOf(run: Run, state: RunState) {
  return {
    requestsPerSecond: state.requestsPerSecond,
    arrivals: run.persona.workload.arrivals,
    warmupMs: run.persona.workload.warmupMs,
    windowMs: run.persona.workload.windowMs,
  };
}
