/** Which of the candidates to take: greedily, by the time that the statements are expected to save, interactions included. */
import { formatDuration } from "../../core/units.ts";
import type { PlanCost } from "./scratch.ts";

export interface SelectionInput<C> {
  readonly candidates: readonly C[];
  readonly statements: readonly WeightedStatement[];
  /** Positions of the statements that may use a candidate. */
  readonly statementsOf: (candidate: C) => readonly number[];
  /** The plan of a statement when only these candidates exist. */
  readonly planOf: (statement: number, visible: readonly C[]) => Promise<PlanCost>;
  readonly nameOf: (candidate: C) => string;
  /** The same without its last column; undefined when there is none, or it cannot be had. */
  readonly narrower: (candidate: C) => Promise<C | undefined>;
  /** A candidate has to save as much beside those already taken. */
  readonly gainLeastMs: number;
}

interface WeightedStatement {
  /** What it took in the observed window: calls times mean time. */
  readonly totalMs: number;
}

export interface Selection<C> {
  /** The one that saves most first, then what saves most beside it, and so on. */
  readonly selected: readonly { readonly candidate: C; readonly savedAloneMs: number }[];
  readonly rejected: readonly { readonly candidate: C; readonly reason: string }[];
  /** By statement: the planner's cost with none and with all selected, and which of them the plan reads. */
  readonly plans: readonly { readonly before: PlanCost; readonly after: PlanCost }[];
  /** Expected, of the statements' time in the window. */
  readonly savedMs: number;
}

/**
 * Extend-like forward selection (research/index-advisor.md section d). A statement's weight is its measured time, which is its calls
 * times its mean; a plan at half the cost is expected to take half of that. Sums of costs alone let one badly estimated
 * statement outweigh all others.
 */
export async function selectIndexes<C>(input: SelectionInput<C>): Promise<Selection<C>> {
  const { candidates, statements } = input;
  const plan = remembering(input);
  const everything = await plansWith(input, plan, candidates);
  const before = await plansWith(input, plan, []);
  const rejected: { candidate: C; reason: string }[] = [];
  const reject = (candidate: C, reason: string): number => rejected.push({ candidate, reason });
  const savedWith = async (visible: readonly C[]): Promise<number> =>
    savings(statements, before, await plansWith(input, plan, visible));

  let selected: readonly C[] = [];
  let saved = 0;
  let open = [...candidates];
  while (open.length > 0) {
    const tries: { readonly candidate: C; readonly saved: number }[] = [];
    for (const candidate of open) {
      tries.push({ candidate, saved: await savedWith([...selected, candidate]) });
    }
    const best = tries.reduce((a, b) => (b.saved > a.saved ? b : a));
    if (best.saved - saved < Math.max(input.gainLeastMs, Number.EPSILON)) {
      for (const each of tries) reject(each.candidate, tooLittle(input, everything, each, saved));
      break;
    }
    selected = [...selected, best.candidate];
    saved = best.saved;
    open = open.filter((candidate) => candidate !== best.candidate);
  }
  // What was taken early may be superfluous beside what came later.
  for (const candidate of selected) {
    const without = selected.filter((each) => each !== candidate);
    const savedWithout = await savedWith(without);
    if (saved - savedWithout >= input.gainLeastMs) continue;
    reject(candidate, "superfluous beside the other selected indexes");
    selected = without;
    saved = savedWithout;
  }
  // A column has to earn its keep like an index: it costs space and writes.
  for (const candidate of selected) {
    let kept = candidate;
    for (let less = await input.narrower(kept); less; less = await input.narrower(kept)) {
      const narrowed = selected.map((each) => (each === kept ? (less ?? each) : each));
      const savedNarrowed = await savedWith(narrowed);
      if (saved - savedNarrowed >= input.gainLeastMs) break;
      reject(kept, `its last column saves too little: ${input.nameOf(less)} does without it`);
      selected = narrowed;
      saved = savedNarrowed;
      kept = less;
    }
  }
  const after = await plansWith(input, plan, selected);
  const alone: { readonly candidate: C; readonly savedAloneMs: number }[] = [];
  for (const candidate of selected) {
    alone.push({ candidate, savedAloneMs: await savedWith([candidate]) });
  }
  return {
    selected: alone,
    rejected,
    plans: before.flatMap((plan, position) => {
      const other = after[position];
      return other ? [{ before: plan, after: other }] : [];
    }),
    savedMs: saved,
  };
}

type PlanOf<C> = SelectionInput<C>["planOf"];

/** Statements are planned again only for candidates that they may use. */
function remembering<C>(input: SelectionInput<C>): PlanOf<C> {
  const known = new Map<string, Promise<PlanCost>>();
  return (statement, visible) => {
    const relevant = visible.filter((candidate) =>
      input.statementsOf(candidate).includes(statement),
    );
    const key = `${statement}: ${relevant.map(input.nameOf).toSorted().join(" ")}`;
    const found = known.get(key) ?? input.planOf(statement, relevant);
    known.set(key, found);
    return found;
  };
}

async function plansWith<C>(
  input: SelectionInput<C>,
  plan: PlanOf<C>,
  visible: readonly C[],
): Promise<readonly PlanCost[]> {
  const plans: PlanCost[] = [];
  for (const position of input.statements.keys()) plans.push(await plan(position, visible));
  return plans;
}

function savings(
  statements: readonly WeightedStatement[],
  before: readonly PlanCost[],
  after: readonly PlanCost[],
): number {
  return statements.reduce((sum, statement, position) => {
    const from = before[position]?.cost ?? 0;
    const to = after[position]?.cost ?? from;
    return from > 0 ? sum + statement.totalMs * (1 - to / from) : sum;
  }, 0);
}

function tooLittle<C>(
  input: SelectionInput<C>,
  everything: readonly PlanCost[],
  attempt: { readonly candidate: C; readonly saved: number },
  saved: number,
): string {
  const more = Math.max(0, attempt.saved - saved);
  const used = everything.some((plan) => plan.indexes.includes(input.nameOf(attempt.candidate)));
  if (!used && more === 0) return "no plan uses it";
  return `is expected to save ${formatDuration(more)} of the window's statement time beside what is selected, less than ${formatDuration(input.gainLeastMs)}`;
}
