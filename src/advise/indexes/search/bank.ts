/** Every plan seen so far, as what it costs and which indexes it needs: what a set of indexes costs at most, without asking the planner. */
import type { AdviceLimits } from "../../../core/advice.ts";
import { isWithin, type Candidate, type Candidates, type IndexBits } from "./candidates.ts";
import type { Price, Prices } from "./prices.ts";

export interface KnownPlan {
  /** The statement's part of the objective under this plan. */
  readonly value: number;
  readonly needs: readonly number[];
}

export interface Bank {
  readonly candidates: readonly Candidate[];
  /** Of one statement side by side, the cheapest plan first; the last needs nothing. No plan needs more than a cheaper one. */
  readonly plans: readonly KnownPlan[];
  /** By statement that can be planned: where its plans begin, and where they end. */
  readonly spans: readonly { readonly from: number; readonly to: number }[];
  /** By candidate: the plans that need it. */
  readonly plansOf: readonly (readonly number[])[];
  /** By candidate: maintenance, and the least that it has to save. */
  readonly prices: readonly number[];
  /** Sets of indexes with which a statement was seen to become dearer than the limits allow. */
  readonly vetoes: readonly (readonly number[])[];
  readonly limits: ResourceLimits;
}

export type ResourceLimits = Pick<
  AdviceLimits,
  "bytesMax" | "indexesMax" | "buildMsMax" | "writeOverheadPercentMax"
>;

export interface BankInput {
  readonly candidates: Candidates;
  readonly prices: Prices;
  /** By statement: what turns a cost into a part of the objective; 0 for those that cannot be planned. */
  readonly scales: readonly number[];
  readonly priceOf: (candidate: Candidate) => number;
  readonly limits: AdviceLimits;
}

export function newBank({ candidates, prices, scales, priceOf, limits }: BankInput): Bank {
  const vetoes: (readonly number[])[] = [];
  const plans: KnownPlan[] = [];
  const spans: { from: number; to: number }[] = [];
  for (const [statement, scale] of scales.entries()) {
    if (scale === 0) continue;
    const known = prices.of(statement);
    const before = known.find(({ given }) => given === 0n)?.cost ?? Infinity;
    const dearer = ({ cost }: Price) => cost > before * limits.regressionMax;
    vetoes.push(...known.filter(dearer).map(({ used }) => numbers(candidates, used)));
    const from = plans.length;
    for (const { cost, used } of undominated(known.filter((price) => !dearer(price)))) {
      plans.push({ value: scale * cost, needs: numbers(candidates, used) });
    }
    spans.push({ from, to: plans.length });
  }
  const known = candidates.all;
  const plansOf = byCandidate(plans, known.length);
  return { candidates: known, plans, spans, plansOf, prices: known.map(priceOf), vetoes, limits };
}

/** The same without what needs any of these candidates. */
export function bankWithout(bank: Bank, banned: readonly number[]): Bank {
  const plans: KnownPlan[] = [];
  const spans = bank.spans.map(({ from, to }) => {
    const start = plans.length;
    const others = bank.plans.slice(from, to);
    plans.push(...others.filter(({ needs }) => !needs.some((number) => banned.includes(number))));
    return { from: start, to: plans.length };
  });
  return { ...bank, plans, spans, plansOf: byCandidate(plans, bank.candidates.length) };
}

function byCandidate(plans: readonly KnownPlan[], count: number): readonly (readonly number[])[] {
  const plansOf = Array.from({ length: count }, (): number[] => []);
  for (const [plan, { needs }] of plans.entries()) {
    for (const number of needs) plansOf[number]?.push(plan);
  }
  return plansOf;
}

function numbers(candidates: Candidates, bits: IndexBits): readonly number[] {
  return candidates.in(bits).map(({ number }) => number);
}

function undominated(prices: readonly Price[]): readonly Price[] {
  const kept: Price[] = [];
  for (const price of prices.toSorted((a, b) => a.cost - b.cost)) {
    if (!kept.some(({ used }) => isWithin(used, price.used))) kept.push(price);
  }
  return kept;
}
