/**
 * Estimated gain is not time: proposed indexes are built, the workload is run with and without them in turns, and an index
 * goes again that makes a statement slower beyond doubt, or that no plan reads. What remains is proven once more.
 */
import type { Verification } from "../core/advice.ts";
import type {
  VerifyIndex,
  VerifyPlan,
  VerifyStand,
  VerifyStatement,
} from "../core/verification.ts";
import { findCulprit } from "./verify-culprits.ts";
import { comparePairs, type Comparison, type Outcome, type PairRules } from "./verify-pairs.ts";
import {
  factorInWords,
  coveredShare,
  looksSlower,
  totalOf,
  verifiedStatement,
} from "./verify-verdicts.ts";

export interface VerifyRules extends PairRules {
  /** No statement may become slower than by this factor, proven (1.05 = 5 %). */
  readonly regressionMax: number;
  /** How often indexes are taken out and the rest is measured again. */
  readonly roundsMax: number;
}

export const defaultVerifyRules: Omit<VerifyRules, "seed"> = {
  pairs: 9,
  confidence: 0.99,
  regressionMax: 1.05,
  timeoutMs: 60_000,
  statementTimeMs: 60_000,
  roundsMax: 5,
};

export interface VerifyInput {
  readonly indexes: readonly VerifyIndex[];
  readonly statements: readonly VerifyStatement[];
  readonly onProgress: (line: string) => void;
}

type Plans = ReadonlyMap<string, VerifyPlan>;

/** What is known of a statement: what was measured, and with which plan. */
interface Known {
  readonly key: string;
  readonly outcome: Outcome;
}

interface State {
  kept: readonly VerifyIndex[];
  readonly removed: { readonly index: VerifyIndex["index"]; readonly because: string }[];
  readonly known: Map<string, Known>;
  /** They looked slower, and were not when they were measured again. */
  readonly settled: Set<string>;
}

export async function verifyIndexes(
  stand: VerifyStand,
  input: VerifyInput,
  rules: VerifyRules,
): Promise<Verification> {
  const { statements } = input;
  const state: State = {
    kept: input.indexes,
    removed: [],
    known: new Map(),
    settled: new Set(),
  };
  const before = await planAll(stand, statements, []);
  let plans = await withoutUnread(stand, statements, state);
  for (let round = 1; ; round += 1) {
    input.onProgress(`round ${round}: ${state.kept.length} indexes`);
    await measureChanged(stand, input, rules, { state, before, plans, round });
    const culprits = await culpritsOf(stand, input, rules, { state, before, plans, round });
    if (culprits.length === 0) break;
    for (const culprit of culprits) remove(state, culprit.name, culprit.because);
    plans = await withoutUnread(stand, statements, state);
  }
  const verified = statements.map((statement) => ({
    statement,
    outcome: state.known.get(statement.id)?.outcome,
    verified: verifiedStatement(statement, {
      before: before.get(statement.id),
      after: plans.get(statement.id),
      outcome: state.known.get(statement.id)?.outcome,
      regressionMax: rules.regressionMax,
      measuredAgain: state.settled.has(statement.id),
    }),
  }));
  return {
    design: stand.design,
    ...(stand.elsewhere ? { elsewhere: true } : {}),
    repetitions: rules.pairs,
    statements: verified.map((each) => each.verified),
    removed: state.removed,
    total: totalOf(verified, rules.confidence),
    covered: coveredShare(verified),
    sizes: stand.sizes.flatMap((size) => {
      const of = input.indexes.find(({ index }) => index.name === size.name);
      return of ? [{ ...size, estimatedBytes: of.estimatedBytes }] : [];
    }),
  };
}

function namesOf(indexes: readonly VerifyIndex[]): readonly string[] {
  return indexes.map(({ index }) => index.name);
}

function remove(state: State, name: string, because: string): void {
  for (const { index } of state.kept) {
    if (index.name === name) state.removed.push({ index, because });
  }
  state.kept = state.kept.filter(({ index }) => index.name !== name);
}

async function planAll(
  stand: VerifyStand,
  statements: readonly VerifyStatement[],
  visible: readonly string[],
): Promise<Plans> {
  const plans = new Map<string, VerifyPlan>();
  for (const statement of statements) plans.set(statement.id, await stand.plan(statement, visible));
  return plans;
}

/** Takes out what no plan reads, until every index that is left is read; the plans with those. */
async function withoutUnread(
  stand: VerifyStand,
  statements: readonly VerifyStatement[],
  state: State,
): Promise<Plans> {
  for (;;) {
    const plans = await planAll(stand, statements, namesOf(state.kept));
    const unread = state.kept.filter((each) => isUnread(each, plans));
    if (unread.length === 0) return plans;
    for (const { index } of unread) {
      remove(
        state,
        index.name,
        "built for real, and no plan of the workload reads it: the planner only thought so of the estimate",
      );
    }
  }
}

/** An index whose statements could not be planned may be read by them. */
function isUnread({ index, statements, unseen }: VerifyIndex, plans: Plans): boolean {
  if (unseen) return false;
  if (statements.some((id) => plans.get(id)?.kind === "failed")) return false;
  return [...plans.values()].every(
    (plan) => plan.kind === "failed" || !plan.reads.includes(index.name),
  );
}

interface Round {
  readonly state: State;
  readonly before: Plans;
  readonly plans: Plans;
  readonly round: number;
}

/** Measures the statements whose plan, or whose indexes to maintain, are others than when they were measured last. */
async function measureChanged(
  stand: VerifyStand,
  input: VerifyInput,
  rules: VerifyRules,
  { state, before, plans, round }: Round,
): Promise<void> {
  const kept = namesOf(state.kept);
  const reads: Comparison[] = [];
  const writes: Comparison[] = [];
  const keys = new Map<string, string>();
  for (const statement of input.statements) {
    const key = keyOf(before.get(statement.id), plans.get(statement.id), kept);
    if (key === undefined || statement.valuesFrom === "generic") {
      state.known.delete(statement.id);
      continue;
    }
    if (state.known.get(statement.id)?.key === key) continue;
    keys.set(statement.id, key);
    const plan = plans.get(statement.id);
    const list = plan?.kind === "plan" && plan.writes ? writes : reads;
    list.push({ statement, base: [], candidate: kept });
  }
  // What writes leave behind would slow index-only scans down: reads first.
  for (const comparisons of [reads, writes]) {
    if (comparisons.length === 0) continue;
    input.onProgress(
      `measuring ${comparisons.length} ${comparisons === reads ? "reads" : "writes"}`,
    );
    const outcomes = await comparePairs(stand, comparisons, rules, `round ${round}`);
    for (const [id, outcome] of outcomes) {
      state.known.set(id, { key: keys.get(id) ?? "", outcome });
      state.settled.delete(id);
    }
  }
}

/** What a statement's time depends on; undefined when the indexes change nothing for it. */
function keyOf(
  before: VerifyPlan | undefined,
  after: VerifyPlan | undefined,
  kept: readonly string[],
): string | undefined {
  if (before?.kind !== "plan" || after?.kind !== "plan") return undefined;
  const maintained = after.maintains.filter((name) => kept.includes(name)).toSorted();
  if (before.shape === after.shape && maintained.length === 0) return undefined;
  return JSON.stringify([after.shape, maintained]);
}

interface Culprit {
  readonly name: string;
  readonly because: string;
}

/**
 * For each statement that looks slower: is it slower beyond doubt when it is measured again, and without which of its indexes is it not. Once an index is
 * found, statements that read it too wait for the next round, since they may be cured.
 */
async function culpritsOf(
  stand: VerifyStand,
  input: VerifyInput,
  rules: VerifyRules,
  { state, before, plans, round }: Round,
): Promise<readonly Culprit[]> {
  const kept = namesOf(state.kept);
  const culprits: Culprit[] = [];
  for (const statement of worstFirst(input.statements, state)) {
    const [was, is] = [before.get(statement.id), plans.get(statement.id)];
    const outcome = state.known.get(statement.id)?.outcome;
    // That writes have more to maintain is the price of every index, which the advice has counted.
    if (was?.kind !== "plan" || is?.kind !== "plan" || was.shape === is.shape) continue;
    if (!outcome || !looksSlower(outcome, rules.regressionMax)) continue;
    if (state.settled.has(statement.id)) continue;
    if (culprits.some(({ name }) => is.reads.includes(name))) continue;
    input.onProgress(`${statement.id} looks slower with the indexes: measuring it again`);
    const found = await findCulprit(stand, statement, is.reads, kept, rules, `culprit ${round}`);
    if (found.kind === "not slower") {
      state.settled.add(statement.id);
      state.known.set(statement.id, {
        key: state.known.get(statement.id)?.key ?? "",
        outcome: found.outcome,
      });
      continue;
    }
    const names = round >= rules.roundsMax ? is.reads : [found.name];
    for (const name of names) {
      culprits.push({
        name,
        because: `${found.because}${lostWith(name, input.statements, state, plans)}`,
      });
    }
  }
  return culprits;
}

/** What the index did good, so that whoever sees it go may decide otherwise. */
function lostWith(
  name: string,
  statements: readonly VerifyStatement[],
  state: State,
  plans: Plans,
): string {
  const lost = statements.flatMap(({ id }) => {
    const plan = plans.get(id);
    const outcome = state.known.get(id)?.outcome;
    if (plan?.kind !== "plan" || !plan.reads.includes(name)) return [];
    if (outcome?.kind !== "measured" || outcome.factor.high >= 1) return [];
    return [`${id} was ${factorInWords(outcome.factor)}`];
  });
  return lost.length === 0 ? "" : `; with it, ${lost.join(", ")}`;
}

function worstFirst(
  statements: readonly VerifyStatement[],
  state: State,
): readonly VerifyStatement[] {
  const badness = ({ id }: VerifyStatement): number => {
    const outcome = state.known.get(id)?.outcome;
    if (outcome?.kind === "timeout" && outcome.who === "candidate") return Infinity;
    return outcome?.kind === "measured" ? outcome.factor.low : 0;
  };
  return statements.toSorted((a, b) => badness(b) - badness(a));
}
