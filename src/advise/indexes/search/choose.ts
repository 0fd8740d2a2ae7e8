/** The best set for the plans known so far: a knapsack whose goods are worth what they are worth together. Asks the planner nothing. */
import type { Bank } from "./bank.ts";
import { newBasket, type Basket } from "./basket.ts";

export interface Choice {
  readonly numbers: readonly number[];
  readonly value: number;
}

/** A whole number from 0 to below the limit. */
export type Random = (below: number) => number;

/** How far back the value lies that a step has to beat: Burke and Bykov's late acceptance hill climbing (2017) has this one parameter. */
const MEMORY = 40;

/**
 * Steps put in what some plan of the bank lacks, all of it at once, since half of a join's indexes is often worth nothing; then take out what is
 * worth least for what it takes, until every limit is kept again.
 */
export function choose(
  bank: Bank,
  start: readonly number[],
  steps: number,
  random: Random,
): Choice {
  const basket = newBasket(bank, start);
  repair(basket, []);
  climb(basket, bank);
  let best = choiceOf(basket);
  let current = best;
  const memory = Array.from({ length: MEMORY }, () => current.value);
  const wanting = bank.spans.flatMap(({ from, to }, span) => (to - from > 1 ? [span] : []));
  if (wanting.length === 0) return best;
  for (let step = 0; step < steps; step += 1) {
    perturb(basket, bank, wanting, random);
    tidy(basket);
    const at = step % MEMORY;
    if (basket.excess() === 0 && basket.value <= Math.max(current.value, memory[at] ?? 0)) {
      current = choiceOf(basket);
      if (current.value < best.value - TINY) {
        climb(basket, bank);
        current = choiceOf(basket);
        best = current;
      }
    } else reset(basket, current.numbers);
    memory[at] = current.value;
  }
  return best;
}

/** Less than this is rounding. */
const TINY = 1e-12;

/** Into the basket what a plan lacks; now and then something out. */
function perturb(basket: Basket, bank: Bank, wanting: readonly number[], random: Random): void {
  const members = basket.members();
  if (members.length > 0 && random(4) === 0) {
    const out = members[random(members.length)];
    if (out !== undefined) basket.toggle(out);
    refill(basket, bank, out);
    return;
  }
  const wants = basket.wants(wanting[random(wanting.length)] ?? 0);
  const want = wants[random(Math.max(1, wants.length))];
  if (!want) return;
  basket.toggleAll(want);
  repair(basket, want);
}

/** Takes out what is worth least for what it takes until the limits are kept; `spared` as long as there is something else. */
function repair(basket: Basket, spared: readonly number[]): void {
  while (basket.excess() > 0) {
    const members = basket.members();
    const free = members.filter((number) => !spared.includes(number));
    const out = cheapest(basket, free.length > 0 ? free : members);
    if (out === undefined) return;
    basket.toggle(out);
  }
}

function cheapest(basket: Basket, members: readonly number[]): number | undefined {
  let out: number | undefined;
  let least = Infinity;
  for (const number of members) {
    const loss = basket.change([number]) / Math.max(TINY, basket.load(number));
    if (out === undefined || loss < least) [out, least] = [number, loss];
  }
  return out;
}

/** Takes out what is worth nothing any more. */
function tidy(basket: Basket): void {
  for (const number of basket.members()) if (basket.change([number]) <= 0) basket.toggle(number);
}

/** Adds of what fits what is worth most for what it takes first; not what was just taken out. */
function refill(basket: Basket, bank: Bank, without: number | undefined): void {
  const wants = improving(basket, bank)
    .filter(({ want }) => without === undefined || !want.includes(without))
    .map(({ want, change }) => ({ want, worth: -change / loadOf(basket, want) }));
  for (const { want } of wants.toSorted((a, b) => b.worth - a.worth)) {
    const missing = want.filter((number) => !basket.has(number));
    if (basket.change(missing) < 0 && fits(basket, missing)) basket.toggleAll(missing);
  }
}

/** The best of all single steps, until none is better: what fits is added, what does not makes room for itself, what is worth nothing goes. */
function climb(basket: Basket, bank: Bank): void {
  for (;;) {
    tidy(basket);
    const from = choiceOf(basket);
    let best: Choice = from;
    for (const { want, change } of improving(basket, bank)) {
      // Making room only costs: no later one can do better than its change.
      if (from.value + change >= best.value - TINY) break;
      basket.toggleAll(want);
      repair(basket, want);
      if (basket.excess() === 0 && basket.value < best.value - TINY) best = choiceOf(basket);
      reset(basket, from.numbers);
    }
    if (best === from) return;
    reset(basket, best.numbers);
  }
}

/** What would make the value better if nothing had to go for it, the best first. */
function improving(
  basket: Basket,
  bank: Bank,
): readonly { readonly want: readonly number[]; readonly change: number }[] {
  return wantsOf(basket, bank)
    .map((want) => ({ want, change: basket.change(want) }))
    .filter(({ change }) => change < -TINY)
    .toSorted((a, b) => a.change - b.change);
}

function wantsOf(basket: Basket, bank: Bank): readonly (readonly number[])[] {
  const wants = new Map<string, readonly number[]>();
  for (const span of bank.spans.keys()) {
    for (const want of basket.wants(span)) wants.set(want.join(" "), want);
  }
  return [...wants.values()];
}

function fits(basket: Basket, want: readonly number[]): boolean {
  basket.toggleAll(want);
  const within = basket.excess() === 0;
  basket.toggleAll(want);
  return within;
}

function loadOf(basket: Basket, numbers: readonly number[]): number {
  return Math.max(
    TINY,
    numbers.reduce((sum, number) => sum + basket.load(number), 0),
  );
}

function choiceOf(basket: Basket): Choice {
  return { numbers: basket.members(), value: basket.value };
}

function reset(basket: Basket, numbers: readonly number[]): void {
  const wanted = new Set(numbers);
  basket.toggleAll(basket.members().filter((number) => !wanted.has(number)));
  basket.toggleAll(numbers.filter((number) => !basket.has(number)));
}
