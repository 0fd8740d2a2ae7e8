/** Persona and tuners to a plan: the phases in order, what each may cost, and how long the run will take. Pure. */
import type { CapacityPlan, OverloadPlan } from "./core/capacity.ts";
import type { Persona, Strategy } from "./core/persona.ts";
import type { Plan, PlannedCapacity, PlanPhase } from "./core/plan.ts";
import { formatDuration } from "./core/units.ts";
import { windowLengthMs } from "./limit/windows.ts";

/** Draining, counters and bookkeeping around one window, in milliseconds; measured on the bundled service, rounded up. */
const WINDOW_OVERHEAD_MS = 800;
/** Staging a candidate: restart, warm-up, and an index build. */
const STAGING_MS = 8_000;
/** A closed loop until its rate has settled: 5 s where the service is warm, 14 s at the most. */
const SATURATION_MS = 12_000;
/** Fresh processes on both arms; the bundled service takes 2 to 3 s. */
export const RESTART_MS = 4_000;
/** What a service's job queue takes to be worked off after an overload. */
const QUEUE_MS = 10_000;

export const NOISE_PAIRS = 4;
export const CONFIRM_PAIRS = 7;
/** At the usual load, after a gain under overload is proven: for the persona's constraints. */
export const USUAL_PAIRS = 5;
/** Of the time that the phases could have, at most so much is set aside for capacity: what is proven matters more than what it adds up to. */
const CAPACITY_SHARE = 0.4;
/** A search of fewer windows would seldom find both ends of its bracket. */
export const USERS_WINDOWS_LEAST = 8;
/** Windows that are several times as long, of a search that ends well: one for the load that holds, one more where it does not. */
const USERS_CONFIRMATIONS = 2;
/** The first look of the sequential test (research: looks at 5, 7, 10, 14, 20, 30 pairs). */
export const FIRST_LOOK_PAIRS = 5;

export interface PlanOptions {
  /** The persona's own names of strategies to run; all when absent. */
  readonly phases?: readonly string[];
  /** What of the budget is left for measuring, after starting and seeding. */
  readonly budgetMs: number;
  readonly rationaleOf: (strategy: Strategy) => string;
}

export interface RunCosts {
  readonly pairMs: number;
  readonly noiseMs: number;
  readonly confirmMs: number;
}

export function planRun(persona: Persona, targetName: string, options: PlanOptions): Plan {
  const strategies = persona.strategies.filter(
    (strategy) => options.phases === undefined || options.phases.includes(strategy.name),
  );
  const costs = costsOf(persona);
  const running = strategies.filter((strategy) => strategy.tuner !== undefined);
  const runnable = running.length;
  const capacity = capacityOf(persona, options.budgetMs);
  const capacityMs = capacity ? capacity.baselineMs + capacity.keptMs : 0;
  const fixedMs = SATURATION_MS + costs.noiseMs + costs.confirmMs + capacityMs;
  const perPhaseMs = runnable === 0 ? 0 : Math.max(0, options.budgetMs - fixedMs) / runnable;
  return {
    persona: persona.name,
    target: targetName,
    phases: strategies.map((strategy) => phaseOf(strategy, perPhaseMs, options.rationaleOf)),
    windowMs: persona.workload.windowMs,
    warmupMs: persona.workload.warmupMs,
    pairsMax: persona.budget.pairsMax,
    candidatesMax: persona.budget.candidatesMax,
    ...(capacity ? { capacity } : {}),
    estimate: {
      leastMs: Math.min(
        options.budgetMs,
        SATURATION_MS +
          costs.noiseMs +
          (capacity?.baselineMs ?? 0) +
          sumOf(running, (strategy) => lookMs(persona, strategy)),
      ),
      mostMs: Math.min(
        options.budgetMs,
        fixedMs +
          sumOf(running, (strategy) => leastPhaseMs(persona, strategy)) *
            persona.budget.candidatesMax,
      ),
    },
  };
}

function sumOf(strategies: readonly Strategy[], costOf: (strategy: Strategy) => number): number {
  return strategies.reduce((sum, strategy) => sum + costOf(strategy), 0);
}

/** One look at the incumbent, under the phase's own load. */
function lookMs(persona: Persona, { overload }: Strategy): number {
  return overload ? overloadWindowMs(persona, overload) : windowMs(persona);
}

/** A look, and the shortest trial that could decide. */
function leastPhaseMs(persona: Persona, strategy: Strategy): number {
  const { pairMs } = costsOf(persona);
  const { overload } = strategy;
  const trialMs = overload
    ? FIRST_LOOK_PAIRS * overloadPairMs(persona, overload) +
      (persona.constraints.length > 0 ? RESTART_MS + USUAL_PAIRS * pairMs : 0)
    : FIRST_LOOK_PAIRS * pairMs;
  return lookMs(persona, strategy) + trialMs + STAGING_MS;
}

/** What one window of overload costs: what is too much waits until it is answered or times out, and the jobs are worked off. */
function overloadWindowMs(persona: Persona, { factor, windowMs: lengthMs }: OverloadPlan): number {
  const { timeoutMs, warmupMs } = persona.workload;
  const tailMs = Math.min(timeoutMs, Math.max(0, factor - 1) * (warmupMs + lengthMs));
  return costOfWindow(persona, lengthMs) + tailMs + QUEUE_MS;
}

/** What a pair of a phase under overload costs in milliseconds. */
export function overloadPairMs(persona: Persona, overload: OverloadPlan): number {
  return 2 * overloadWindowMs(persona, overload);
}

/** What pairs of this persona's windows cost in milliseconds. */
export function costsOf(persona: Persona): RunCosts {
  const pairMs = 2 * windowMs(persona);
  return {
    pairMs,
    noiseMs: NOISE_PAIRS * pairMs,
    confirmMs: CONFIRM_PAIRS * pairMs + STAGING_MS,
  };
}

function windowMs(persona: Persona): number {
  return costOfWindow(persona, persona.workload.windowMs);
}

function costOfWindow({ workload }: Persona, lengthMs: number): number {
  return workload.warmupMs + lengthMs + WINDOW_OVERHEAD_MS;
}

/** What the parts of a capacity block cost in milliseconds, on one configuration. */
export function capacityCosts(
  persona: Persona,
  { users, overload }: CapacityPlan,
): { readonly usersMs: number; readonly overloadMs: number } {
  return {
    usersMs: users
      ? users.windowsMax * costOfWindow(persona, users.windowMs) +
        USERS_CONFIRMATIONS * confirmationExtraMs(users)
      : 0,
    overloadMs: overload
      ? // Light load before and after it.
        overloadWindowMs(persona, overload) +
        2 * costOfWindow(persona, windowLengthMs("settle", overload.windowMs, []))
      : 0,
  };
}

/** By how much a search's longest windows are longer than the others. */
export function confirmationExtraMs({
  windowMs: lengthMs,
  slos,
}: NonNullable<CapacityPlan["users"]>): number {
  return windowLengthMs("confirm", lengthMs, slos) - lengthMs;
}

/** As much of the persona's capacity block as fits into its share of the time: windows go first, then the overload, then the users. */
function capacityOf(persona: Persona, budgetMs: number): PlannedCapacity | undefined {
  const wanted = persona.capacity;
  if (!wanted) return undefined;
  const { noiseMs, confirmMs } = costsOf(persona);
  const allowedMs = CAPACITY_SHARE * (budgetMs - SATURATION_MS - noiseMs - confirmMs);
  const planned = choicesOf(wanted)
    .map((measured) => withTimes(persona, measured))
    .find(({ baselineMs, keptMs }) => baselineMs + keptMs <= allowedMs);
  const measured = planned?.measured ?? {};
  return {
    measured,
    baselineMs: planned?.baselineMs ?? 0,
    keptMs: planned?.keptMs ?? 0,
    notes: notesOf(wanted, measured, budgetMs),
  };
}

/** The best first. */
function choicesOf({ users, overload }: CapacityPlan): readonly CapacityPlan[] {
  const searches = users
    ? Array.from(
        { length: Math.max(1, users.windowsMax - USERS_WINDOWS_LEAST + 1) },
        (_, fewer) => ({ ...users, windowsMax: users.windowsMax - fewer }),
      )
    : [];
  return [
    ...(overload && !users ? [{ overload }] : []),
    ...(overload ? searches.map((each) => ({ users: each, overload })) : []),
    ...searches.map((each) => ({ users: each })),
    ...(overload && users ? [{ overload }] : []),
  ];
}

function withTimes(persona: Persona, measured: CapacityPlan): Omit<PlannedCapacity, "notes"> {
  const { usersMs, overloadMs } = capacityCosts(persona, measured);
  const isFixed = persona.workload.rate.kind === "fixed";
  const saturationMs = measured.overload ? SATURATION_MS : 0;
  return {
    measured,
    // With fresh processes before and after. Its saturation rate is known, but for a persona with a fixed rate.
    baselineMs: 2 * RESTART_MS + usersMs + overloadMs + (isFixed ? 2 : 1) * saturationMs,
    keptMs: STAGING_MS + usersMs + overloadMs + saturationMs,
  };
}

function notesOf(
  wanted: CapacityPlan,
  measured: CapacityPlan,
  budgetMs: number,
): readonly string[] {
  const within = `within a budget of ${formatDuration(Math.max(0, Math.round(budgetMs / 1_000) * 1_000))}`;
  const windows = measured.users?.windowsMax;
  const shorter = windows !== undefined && wanted.users && windows < wanted.users.windowsMax;
  return [
    ...(shorter
      ? [
          `capacity: the search for users has at most ${windows} windows instead of ${wanted.users.windowsMax} ${within}, so its bracket may be wider`,
        ]
      : []),
    ...(wanted.users && !measured.users
      ? [`capacity: how many users the service carries is not measured, for want of time ${within}`]
      : []),
    ...(wanted.overload && !measured.overload
      ? [
          `capacity: the service's behaviour under overload is not measured, for want of time ${within}`,
        ]
      : []),
  ];
}

function phaseOf(
  strategy: Strategy,
  budgetMs: number,
  rationaleOf: PlanOptions["rationaleOf"],
): PlanPhase {
  const runs = strategy.tuner !== undefined;
  return {
    name: strategy.name,
    title: strategy.title,
    tuner: strategy.tuner,
    rationale: runs
      ? rationaleOf(strategy)
      : "this version of perfopt does not run this strategy yet",
    budgetMs: runs ? budgetMs : 0,
  };
}
