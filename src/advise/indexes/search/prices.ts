/** Costs of statements under sets of indexes: each EXPLAIN is remembered for all sets that it settles. */
import type { Plan, PlannableStatement, WhatIf } from "../what-if.ts";
import { isWithin, type Candidate, type Candidates, type IndexBits } from "./candidates.ts";

/** One EXPLAIN. */
export interface Price {
  /** What was there, of what the statement could use. */
  readonly given: IndexBits;
  /** Of these, what the plan reads. */
  readonly used: IndexBits;
  readonly cost: number;
  readonly plan: Plan;
}

export interface Prices {
  /** The price of a statement with exactly this set; undefined when no EXPLAIN is left, or it failed. */
  explained(statement: number, set: IndexBits): Promise<Price | undefined>;
  /** The same, or the price of another set that settles this one: see `settled`. */
  price(statement: number, set: IndexBits): Promise<Price | undefined>;
  /**
   * The price that follows without an EXPLAIN: the plan of a set that holds all of this one reads nothing beyond this one, so
   * it is the best plan here as well. Exact for a planner that takes the cheapest of all plans; PostgreSQL's takes one within 1 % of it
   * (add_path, fuzz factor 1.01).
   */
  settled(statement: number, set: IndexBits): Price | undefined;
  /** At least: the cost with a larger set; 0 when nothing is known. */
  lower(statement: number, set: IndexBits): number;
  /** At most: the cheapest plan known whose indexes are all in the set. */
  upper(statement: number, set: IndexBits): number;
  /** Every EXPLAIN of a statement so far. */
  of(statement: number): readonly Price[];
  readonly explains: number;
  readonly failures: ReadonlyMap<number, string>;
}

export interface PricesInput {
  readonly statements: readonly PlannableStatement[];
  readonly whatIf: Pick<WhatIf, "plan">;
  readonly candidates: Candidates;
  /** Whether one more EXPLAIN may be sent. */
  readonly mayExplain: (sent: number) => boolean;
}

export function newPrices(input: PricesInput): Prices {
  const { statements, candidates } = input;
  const prices: Price[][] = statements.map(() => []);
  const exact: Map<IndexBits, Price>[] = statements.map(() => new Map());
  const failures = new Map<number, string>();
  const relevant = relevance(candidates, statements.length);
  let explains = 0;

  const explain = async (statement: number, given: IndexBits): Promise<Price | undefined> => {
    const planned = statements[statement];
    if (!planned || failures.has(statement) || !input.mayExplain(explains)) return undefined;
    explains += 1;
    const names = candidates.in(given).map(({ index }) => index.name);
    const answer = await input.whatIf.plan(planned, { with: names });
    if (answer.kind === "failed") {
      failures.set(statement, answer.because);
      return undefined;
    }
    const { plan } = answer;
    const used = plan.indexes.reduce(
      (bits, name) => bits | (candidates.byName(name)?.bit ?? 0n),
      0n,
    );
    const price = { given, used: used & given, cost: plan.cost, plan };
    prices[statement]?.push(price);
    exact[statement]?.set(given, price);
    return price;
  };
  const settled = (statement: number, set: IndexBits): Price | undefined => {
    const given = set & relevant(statement);
    return (
      exact[statement]?.get(given) ??
      prices[statement]?.find(
        (price) => isWithin(price.used, given) && isWithin(given, price.given),
      )
    );
  };
  return {
    explained: async (statement, set) => {
      const given = set & relevant(statement);
      return exact[statement]?.get(given) ?? explain(statement, given);
    },
    price: async (statement, set) =>
      settled(statement, set) ?? explain(statement, set & relevant(statement)),
    settled,
    lower: (statement, set) => {
      const given = set & relevant(statement);
      return most(prices[statement] ?? [], (price) => isWithin(given, price.given));
    },
    upper: (statement, set) => least(prices[statement] ?? [], (price) => isWithin(price.used, set)),
    of: (statement) => prices[statement] ?? [],
    get explains() {
      return explains;
    },
    failures,
  };
}

/** By statement, the candidates that it could use; kept up as candidates are added. */
function relevance(candidates: Candidates, statements: number): (statement: number) => IndexBits {
  const masks: IndexBits[] = Array.from({ length: statements }, () => 0n);
  let seen = 0;
  return (statement) => {
    for (; seen < candidates.all.length; seen += 1) note(masks, candidates.all[seen]);
    return masks[statement] ?? 0n;
  };
}

function note(masks: IndexBits[], candidate: Candidate | undefined): void {
  for (const statement of candidate?.statements ?? []) {
    masks[statement] = (masks[statement] ?? 0n) | (candidate?.bit ?? 0n);
  }
}

function most(prices: readonly Price[], counts: (price: Price) => boolean): number {
  return prices.reduce(
    (cost, price) => (price.cost > cost && counts(price) ? price.cost : cost),
    0,
  );
}

function least(prices: readonly Price[], counts: (price: Price) => boolean): number {
  return prices.reduce(
    (cost, price) => (price.cost < cost && counts(price) ? price.cost : cost),
    Infinity,
  );
}
