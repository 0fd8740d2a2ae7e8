/** Interleaved pairs: both arms measured back to back with the same requests, in random order, one under load at a time. */
import type { OverloadPlan } from "../core/capacity.ts";
import { messageOf, PerfoptError, throwIfAborted } from "../core/errors.ts";
import type { Strategy } from "../core/persona.ts";
import type { WindowRequest } from "../core/ports.ts";
import { unmeasuredSample, type Sample } from "../core/sample.ts";
import type { Pair, Role } from "../core/trial.ts";
import { orderOf } from "../decide/order.ts";
import { saturationOf } from "./rate.ts";
import type { LoadKind, Run, RunState } from "./run.ts";

export type PairResult =
  | { readonly kind: "pair"; readonly pair: Pair }
  | { readonly kind: "invalid"; readonly role: Role; readonly sample: Sample };

/** What pairs belong to, and the load of their windows. */
export interface Block {
  readonly name: string;
  readonly window: Window;
}

/** Measures pair number `index` (from 0) of a block; every window goes to the journal, valid or not. */
export async function measurePair(
  run: Run,
  state: RunState,
  { name: block, window }: Block,
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
    const sample = await sampleOrNot(run, { role, seed, ...window });
    throwIfAborted(run.signal);
    await run.journal.append({ type: "sampled", block, pair: index, role, order, sample });
    if (!sample.valid) return { kind: "invalid", role, sample };
    samples[role] = sample;
  }
  const { incumbent, candidate } = samples;
  if (!incumbent || !candidate) throw new Error("a pair has two samples");
  took(state, window.overload ? "overload" : "usual", 1, run.clock.now() - startedAt);
  return { kind: "pair", pair: { order, incumbent, candidate } };
}

/** So many pairs, or a half for a window, of a kind of load took so long. */
export function took(state: RunState, load: LoadKind, pairs: number, ms: number): void {
  const before = state.pairsTook[load];
  state.pairsTook[load] = { pairs: before.pairs + pairs, ms: before.ms + ms };
}

/** A service that dies under overload is a result of that, and no failure of the run: both arms get fresh processes. */
async function sampleOrNot(run: Run, request: WindowRequest): Promise<Sample> {
  if (!request.overload) return run.bench.sample(request);
  try {
    return await run.bench.sample(request);
  } catch (error) {
    throwIfAborted(run.signal);
    if (!(error instanceof PerfoptError) || error.code !== "cannot-measure") throw error;
    await run.bench.restartArms();
    return unmeasuredSample(request, messageOf(error));
  }
}

/** All that a window's load is, but whose arm and which seed. */
export type Window = Omit<WindowRequest, "role" | "seed">;

/** The run's own load, without tasks. */
export function windowOf(run: Run, state: RunState): Window {
  return {
    requestsPerSecond: state.requestsPerSecond,
    arrivals: run.persona.workload.arrivals,
    warmupMs: run.persona.workload.warmupMs,
    windowMs: run.persona.workload.windowMs,
  };
}

/** The load that a phase's windows have: the run's own with the strategy's tasks, or overload of requests alone. */
export async function phaseWindow(
  run: Run,
  state: RunState,
  { overload, tasks }: Strategy,
): Promise<Window> {
  if (!overload) return { ...windowOf(run, state), tasks: tasks ?? "all" };
  // Without a limit of its own an answer counts as long as a client would wait for it.
  const plan = { withinMs: run.persona.workload.timeoutMs, ...overload };
  return overloadWindow(run, plan, await saturationOf(run, state));
}

/** A multiple of the baseline's saturation rate, so that it is the same before and after. */
export function overloadWindow(
  { persona: { workload } }: Run,
  { factor, windowMs, withinMs }: OverloadPlan,
  saturationRequestsPerSecond: number,
): Window {
  return {
    requestsPerSecond: factor * saturationRequestsPerSecond,
    arrivals: workload.arrivals,
    warmupMs: workload.warmupMs,
    windowMs,
    ...(withinMs === undefined ? {} : { overload: { withinMs } }),
  };
}
