/** Persona and tuners to a plan: the phases in order, what each may cost, and how long the run will take. Pure. */
import type { Persona, Strategy } from "./core/persona.ts";
import type { Plan, PlanPhase } from "./core/plan.ts";

/** Draining, counters and bookkeeping around one window, in milliseconds; measured on the bundled service, rounded up. */
const WINDOW_OVERHEAD_MS = 800;
/** Staging a candidate: restart, warm-up, and an index build. */
const STAGING_MS = 8_000;
const SATURATION_MS = 9_000;

export const NOISE_PAIRS = 4;
export const CONFIRM_PAIRS = 7;
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
  const runnable = strategies.filter((strategy) => strategy.tuner !== undefined).length;
  const fixedMs = SATURATION_MS + costs.noiseMs + costs.confirmMs;
  const perPhaseMs = runnable === 0 ? 0 : Math.max(0, options.budgetMs - fixedMs) / runnable;
  const leastPhaseMs = windowMs(persona) + costs.pairMs * FIRST_LOOK_PAIRS + STAGING_MS;
  return {
    persona: persona.name,
    target: targetName,
    phases: strategies.map((strategy) => phaseOf(strategy, perPhaseMs, options.rationaleOf)),
    windowMs: persona.workload.windowMs,
    warmupMs: persona.workload.warmupMs,
    pairsMax: persona.budget.pairsMax,
    candidatesMax: persona.budget.candidatesMax,
    estimate: {
      leastMs: Math.min(
        options.budgetMs,
        SATURATION_MS + costs.noiseMs + runnable * windowMs(persona),
      ),
      mostMs: Math.min(
        options.budgetMs,
        fixedMs + runnable * leastPhaseMs * persona.budget.candidatesMax,
      ),
    },
  };
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
  return persona.workload.warmupMs + persona.workload.windowMs + WINDOW_OVERHEAD_MS;
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
