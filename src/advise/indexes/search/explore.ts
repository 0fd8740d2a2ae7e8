/** EXPLAINs that are worth sending around a set: what statements would take if it were there, and what they would take instead of what is. */
import { unionOf, type Candidate, type IndexBits } from "./candidates.ts";
import type { Prices } from "./prices.ts";

export interface Surroundings {
  readonly prices: Prices;
  /** By statement: what turns a cost into a part of the objective. */
  readonly scales: readonly number[];
  /** Gains below this are not followed further. */
  readonly least: number;
  readonly bytesMax: number;
}

/**
 * One EXPLAIN with a whole group of candidates tells what a statement would take of it, and when that is nothing, that none of them
 * and no combination of them helps. What was taken and is largest is left out of the next, smaller group, with all that is as
 * large: a step down the front of size against cost each time.
 */
export async function frontier(
  around: Surroundings,
  statement: number,
  set: IndexBits,
  group: readonly Candidate[],
): Promise<void> {
  const { prices, scales, least } = around;
  const scale = scales[statement] ?? 0;
  if (scale === 0) return;
  let open = group.filter(
    ({ statements, bit, bytes }) =>
      statements.includes(statement) && (set & bit) === 0n && bytes <= around.bytesMax,
  );
  while (open.length > 0) {
    const now = prices.upper(statement, set);
    const widest = set | unionOf(open);
    if ((now - prices.lower(statement, widest)) * scale < least) return;
    const price = await prices.price(statement, widest);
    if (!price || (now - price.cost) * scale < least) return;
    const taken = open.filter(({ bit }) => (price.used & bit) !== 0n);
    const largest = Math.max(...taken.map(({ bytes }) => bytes));
    if (taken.length === 0) return;
    open = open.filter(({ bytes }) => bytes < largest);
  }
}

/**
 * The plan with a whole group there, and then without each family of indexes that it took something of: those of one table with one first
 * key stand in for each other, so that only without all of them something else is tried. This finds indexes that are second best for
 * several statements, and so may be the best for all of them.
 */
export async function branches(
  around: Surroundings,
  statement: number,
  set: IndexBits,
  group: readonly Candidate[],
  depth: number,
): Promise<void> {
  const { prices, scales, least } = around;
  const scale = scales[statement] ?? 0;
  const open = group.filter(
    ({ statements, bit, bytes }) =>
      statements.includes(statement) && (set & bit) === 0n && bytes <= around.bytesMax,
  );
  if (scale === 0 || open.length === 0) return;
  const now = prices.upper(statement, set);
  const price = await prices.price(statement, set | unionOf(open));
  if (!price || depth === 0 || (now - price.cost) * scale < least) return;
  const taken = open.filter(({ bit }) => (price.used & bit) !== 0n);
  for (const family of new Set(taken.map(familyOf))) {
    const others = open.filter((candidate) => familyOf(candidate) !== family);
    await branches(around, statement, set, others, depth - 1);
  }
}

function familyOf({ index }: Candidate): string {
  const [first] = index.columns;
  return JSON.stringify([
    index.schema,
    index.table,
    index.method,
    first?.name ?? first?.expression,
  ]);
}

/** What statements would do without one index of the set, when its place is free for others. */
export async function without(
  around: Surroundings,
  set: IndexBits,
  out: Candidate,
  others: readonly Candidate[],
  room: number,
): Promise<void> {
  const { prices, scales } = around;
  const left = set & ~out.bit;
  const fitting = others.filter(({ bytes, bit }) => bytes <= room + out.bytes && bit !== out.bit);
  for (const statement of out.statements) {
    if ((scales[statement] ?? 0) === 0) continue;
    const price = prices.settled(statement, set);
    if (!price || (price.used & out.bit) === 0n) continue;
    await prices.price(statement, left);
    await frontier(around, statement, left, fitting);
  }
}

/** The set as it is, for every statement. */
export async function settle(around: Surroundings, set: IndexBits): Promise<void> {
  for (const [statement, scale] of around.scales.entries()) {
    if (scale > 0) await around.prices.price(statement, set);
  }
}
