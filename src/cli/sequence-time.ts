/** How the time of several personas' runs is shared out, and the plan of a sequence in words. Pure. */
import { PerfoptError } from "../core/errors.ts";
import type { Plan } from "../core/plan.ts";
import { formatDuration } from "../core/units.ts";
import { costsOf } from "../plan.ts";
import type { Job } from "./job.ts";

/** Copying the database twice, and starting both arms; generous. */
const OPENING_MS = 20_000;
/** Of a budget for the whole, the final check gets no more: what is proven in the runs matters more. */
const CHECK_SHARE = 0.25;
/** As for one run. */
const RUN_LEAST_MS = 30_000;

export interface SequenceTime {
  /** Of each run, in order: as planned before the first. */
  readonly runsMs: readonly number[];
  /** Set aside for the final check of everything together; 0: there is no time for it. */
  readonly checkMs: number;
}

/** `totalMs` undefined: each persona has its own budget, and the check comes on top. Throws bad-input when the total is too small. */
export function shareTime(jobs: readonly Job[], totalMs: number | undefined): SequenceTime {
  const checksMs = jobs.map(({ persona }) => checkCostMs(persona));
  const wanted = sum(checksMs);
  if (totalMs === undefined)
    return { runsMs: jobs.map(({ persona }) => persona.budget.totalMs), checkMs: wanted };
  const allowed = Math.min(wanted, CHECK_SHARE * totalMs);
  // Less than one persona's would be set aside for nothing.
  const checkMs = allowed < Math.min(...checksMs) ? 0 : allowed;
  const runsMs = jobs.map((_, index) => shareMs(jobs, index, totalMs - checkMs, 0));
  if (Math.min(...runsMs) < RUN_LEAST_MS) {
    const least = Math.ceil((totalMs * RUN_LEAST_MS) / Math.min(...runsMs) / 10_000) * 10_000;
    throw new PerfoptError(
      "bad-input",
      `--budget ${formatDuration(totalMs)} is for all ${jobs.length} personas together, which leaves one of them less than 30s`,
      `give at least ${Math.ceil(least / 1_000)}s, or run fewer personas`,
    );
  }
  return { runsMs, checkMs };
}

/** What a run may have when it begins: its part, by the personas' own budgets, of what the earlier ones left. */
export function shareMs(
  jobs: readonly Job[],
  index: number,
  runsMs: number,
  usedMs: number,
): number {
  const job = jobs[index];
  const rest = sum(jobs.slice(index).map(ownMs));
  if (!job || rest === 0) return 0;
  // Before anything is used, the earlier ones are counted as if they took their parts.
  const from = usedMs === 0 ? runsMs * (rest / sum(jobs.map(ownMs))) : runsMs - usedMs;
  return Math.max(0, from * (ownMs(job) / rest));
}

function ownMs({ persona }: Job): number {
  return persona.budget.totalMs;
}

function checkCostMs(persona: Job["persona"]): number {
  return OPENING_MS + costsOf(persona).confirmMs;
}

/** For `--dry-run --json`, in milliseconds. */
export interface SequencePlan {
  readonly plans: readonly Plan[];
  readonly time: {
    readonly leastMs: number;
    readonly mostMs: number;
    /** In `mostMs`. */
    readonly checkMs: number;
    /** Whether `--budget` was given, which is then of all of it. */
    readonly shared: boolean;
  };
}

export function sequencePlan(
  plans: readonly Plan[],
  { checkMs }: SequenceTime,
  shared: boolean,
): SequencePlan {
  return {
    plans,
    time: {
      leastMs: sum(plans.map(({ estimate }) => estimate.leastMs)),
      mostMs: sum(plans.map(({ estimate }) => estimate.mostMs)) + checkMs,
      checkMs,
      shared,
    },
  };
}

export function sequenceText(
  jobs: readonly Job[],
  { runsMs }: Pick<SequenceTime, "runsMs">,
  { time }: SequencePlan,
): string {
  const shares = jobs.map(
    ({ persona }, index) => `${persona.title} ${inSeconds(runsMs[index] ?? 0)}`,
  );
  return [
    `In sequence: ${jobs.map(({ persona }) => persona.title).join(", then ")}. Each begins with what the earlier ones kept; one overall report at the end.`,
    time.shared
      ? `--budget is of all of it, shared out by the personas' own budgets: ${shares.join(", ")}; what one leaves goes to the later ones.`
      : `Each has its own budget: ${shares.join(", ")}. With --budget they share one.`,
    time.checkMs > 0
      ? `Final check of everything together, where later changes touch what a persona measured: at most ${inSeconds(time.checkMs)}.`
      : "No final check of everything together: the budget has no time for it.",
    `Time in all: ${inSeconds(time.leastMs)} when nothing is worth trying, at most ${inSeconds(time.mostMs)}.`,
  ].join("\n");
}

function inSeconds(ms: number): string {
  return formatDuration(Math.round(ms / 1_000) * 1_000);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
