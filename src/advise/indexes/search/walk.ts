/** The search itself: explore around the best set, choose again, and now and then start from elsewhere; the best so far is always valid. */
import type { CandidatePool } from "../pool.ts";
import { bankWithout, newBank, type Bank, type BankInput } from "./bank.ts";
import { newBasket } from "./basket.ts";
import { unionOf, type Candidate, type IndexBits } from "./candidates.ts";
import { choose, type Choice, type Random } from "./choose.ts";
import { branches, frontier, settle, without, type Surroundings } from "./explore.ts";

export interface WalkInput extends BankInput {
  readonly pool: Pick<CandidatePool, "variants" | "merge">;
  readonly random: Random;
  /** Neither time nor EXPLAINs are over. */
  readonly goesOn: () => boolean;
  readonly onBest: (best: Choice) => void;
}

/** Steps of a choice: the first, and those after a few new plans; fewer where few plans are known. */
const STEPS_FIRST = 2000;
const STEPS = 400;
const STEPS_PER_PLAN = 4;
/** Choosing shows plans that nobody has asked for yet; after so many rounds what is left is small. */
const SETTLE_ROUNDS = 6;
/** Starts from elsewhere without anything better before the search is done; those that asked nothing new count for more. */
const STALE_MAX = 30;
const STALE_UNASKED = 4;
/** Of the savings: what is further behind the best than this is not worth exploring. */
const BEHIND_MAX = 0.1;
/** How many families of indexes are left out one after another at first. */
const DEPTH_FIRST = 2;
/** Of the workload's cost before: what a group of indexes has to save to be looked into. */
const LEAST = 1e-4;
/** Smaller gains are not worth another round. */
const TINY = LEAST / 100;

export async function walk(input: WalkInput): Promise<Choice> {
  const { candidates, scales, goesOn } = input;
  let best: Choice = { numbers: [], value: newBasket(bankOf(input), []).value };
  const better = async (choice: Choice): Promise<boolean> => {
    if (choice.value >= best.value - TINY) return false;
    const value = await trueValue(input, choice);
    if (value >= best.value - TINY) return false;
    best = { numbers: choice.numbers, value };
    input.onBest(best);
    return true;
  };
  const statements = [...scales.keys()];
  // The first answer, after a second EXPLAIN of each statement: of all that there could be, what its plan takes.
  for (const statement of statements)
    await branches(around(input), statement, 0n, candidates.all, 0);
  await better(chooseIn(input, bankOf(input), [], STEPS_FIRST));
  for (const statement of statements) await frontier(around(input), statement, 0n, candidates.all);
  for (const group of [candidates.all, candidates.all.filter(isPlain)]) {
    for (const statement of statements) {
      await branches(around(input), statement, 0n, group, DEPTH_FIRST);
    }
  }
  await better(await settled(input, chooseIn(input, bankOf(input), [], STEPS_FIRST), []));
  const explored = new Set<string>();
  let current = best;
  for (let stale = 0; goesOn() && stale < STALE_MAX;) {
    const sent = input.prices.explains;
    const key = current.numbers.join(" ");
    const behind = (current.value - best.value) / Math.max(LEAST, 1 - best.value);
    if (!explored.has(key) && behind <= BEHIND_MAX) {
      explored.add(key);
      await explore(input, current);
    }
    const next = await settled(input, chooseIn(input, bankOf(input), best.numbers), []);
    if (await better(next)) {
      current = best;
      stale = 0;
      continue;
    }
    current = await elsewhere(input, best);
    await better(current);
    stale += input.prices.explains > sent ? 1 : STALE_UNASKED;
  }
  return best;
}

/** A choice with every statement's real plan; where plans turn out cheaper than the bank knew, chosen again. */
async function settled(
  input: WalkInput,
  choice: Choice,
  banned: readonly number[],
): Promise<Choice> {
  let now = choice;
  for (let round = 0; round < SETTLE_ROUNDS; round += 1) {
    const sent = input.prices.explains;
    await settle(around(input), bitsOf(input, now.numbers));
    const bank = bankWithout(bankOf(input), banned);
    const basket = newBasket(bank, now.numbers);
    // Chosen from the same plans before.
    if (input.prices.explains === sent && basket.excess() === 0) return now;
    const next = chooseIn(input, bank, now.numbers);
    if (basket.excess() === 0 && next.value >= basket.value - TINY)
      return { numbers: now.numbers, value: basket.value };
    now = next;
  }
  return now;
}

/**
 * What the planner says with exactly this set there. It may be up to 1 % off what the bank makes of other sets' plans; taken as exact
 * when no EXPLAIN is left.
 */
async function trueValue(input: WalkInput, { numbers }: Choice): Promise<number> {
  const { candidates, prices, scales, priceOf } = input;
  const set = bitsOf(input, numbers);
  let value = candidates.in(set).reduce((sum, candidate) => sum + priceOf(candidate), 0);
  for (const [statement, scale] of scales.entries()) {
    if (scale === 0) continue;
    const price = (await prices.explained(statement, set)) ?? prices.settled(statement, set);
    value += scale * (price?.cost ?? Infinity);
  }
  return value;
}

async function explore(input: WalkInput, choice: Choice): Promise<void> {
  const { candidates, scales } = input;
  const set = bitsOf(input, choice.numbers);
  const members = candidates.in(set);
  const room = roomBeside(input, members);
  const statements = [...scales.keys()];
  for (const statement of statements) {
    await frontier(
      around(input),
      statement,
      set,
      candidates.all.filter(({ bytes }) => bytes <= room),
    );
  }
  for (const statement of statements) await frontier(around(input), statement, set, candidates.all);
  const plain = candidates.all.filter(isPlain);
  for (const statement of statements) await branches(around(input), statement, set, plain, 1);
  for (const member of members) await without(around(input), set, member, candidates.all, room);
  const fresh = await grow(input, members);
  for (const statement of statements) await frontier(around(input), statement, set, fresh);
  for (const member of members) await without(around(input), set, member, fresh, room);
}

/** New candidates one step from those of a set. */
async function grow(
  input: WalkInput,
  members: readonly Candidate[],
): Promise<readonly Candidate[]> {
  const { pool, candidates, goesOn } = input;
  const steps = members.flatMap(({ index }) => [
    ...pool.variants(index),
    ...members.flatMap((other) => (other.index === index ? [] : pool.merge(index, other.index))),
  ]);
  const fresh: Candidate[] = [];
  for (const index of steps) {
    if (candidates.knows(index) || !goesOn()) continue;
    const candidate = await candidates.add(index);
    if (candidate) fresh.push(candidate);
  }
  return fresh;
}

/** The best choice without some of the best one's indexes. */
async function elsewhere(input: WalkInput, best: Choice): Promise<Choice> {
  const { random } = input;
  const banned = best.numbers.filter(() => random(4) === 0);
  const one = best.numbers[random(best.numbers.length)];
  if (banned.length === 0 && one !== undefined) banned.push(one);
  const rest = best.numbers.filter((number) => !banned.includes(number));
  const choice = chooseIn(input, bankWithout(bankOf(input), banned), rest);
  return settled(input, choice, banned);
}

/** One key and no more: of all indexes the most likely to serve several statements. */
function isPlain({ index }: Candidate): boolean {
  return index.columns.length === 1 && index.include === undefined && index.where === undefined;
}

function chooseIn(
  { random }: WalkInput,
  bank: Bank,
  start: readonly number[],
  steps = STEPS,
): Choice {
  return choose(bank, start, Math.min(steps, STEPS_PER_PLAN * bank.plans.length), random);
}

function bankOf(input: WalkInput): Bank {
  return newBank(input);
}

function around(input: WalkInput): Surroundings {
  const { prices, scales, limits } = input;
  return { prices, scales, least: LEAST, bytesMax: limits.bytesMax ?? Infinity };
}

function bitsOf({ candidates }: WalkInput, numbers: readonly number[]): IndexBits {
  return unionOf(numbers.flatMap((number) => candidates.all[number] ?? []));
}

function roomBeside({ limits }: WalkInput, members: readonly Candidate[]): number {
  return (limits.bytesMax ?? Infinity) - members.reduce((sum, { bytes }) => sum + bytes, 0);
}
