/** Which indexes to build: the best set that can be found within the time and the EXPLAINs, under every limit; pure over its ports. */
import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import type { AdviceLimits } from "../../../core/advice.ts";
import { answer } from "./answer.ts";
import { newCandidates, unionOf, type Candidate } from "./candidates.ts";
import type { Random } from "./choose.ts";
import type { SearchInput, SearchResult } from "./input.ts";
import { newPrices, type Prices } from "./prices.ts";
import { walk, type WalkInput } from "./walk.ts";

/** Of the time: the rest is for the prices of the answer. */
const WALK_SHARE = 0.95;
/** Each key and each column carried along beyond the first has to save this share of what an index has to. */
const COLUMN_SHARE = 0.1;
/** Of two sets that cost the same, the smaller one: too little to matter otherwise, even for terabytes. */
const BYTE_PRICE = 1e-18;

export async function searchIndexes(input: SearchInput): Promise<SearchResult> {
  const { statements, pool, limits, whatIf, now } = input;
  const started = now();
  const candidates = newCandidates({
    whatIf,
    statementsOf: pool.statementsOf,
    positions: new Map(statements.map(({ statement }, position) => [statement.id, position])),
    maintenanceShare: input.maintenanceShare,
    buildMs: input.buildMs,
    ...(input.surcharge ? { surcharge: input.surcharge } : {}),
  });
  // The answer is priced again as it is, each statement once.
  const reserve = Math.max(
    0,
    Math.min(statements.length, limits.explainsMax - 2 * statements.length),
  );
  let kept = reserve;
  const prices = newPrices({
    statements: statements.map(({ statement }) => statement),
    whatIf,
    candidates,
    mayExplain: (sent) => {
      input.signal?.throwIfAborted();
      return sent < limits.explainsMax - kept;
    },
  });
  const timeIsOver = () => now() - started >= limits.timeMsMax * WALK_SHARE;
  const goesOn = () => !timeIsOver() && prices.explains < limits.explainsMax - kept;
  for (const position of statements.keys()) if (!timeIsOver()) await prices.price(position, 0n);
  const scales = scalesOf(input, prices);
  for (const { index } of pool.ideas) if (goesOn()) await candidates.add(index);
  const walkInput: WalkInput = {
    candidates,
    prices,
    scales,
    pool,
    limits,
    goesOn,
    priceOf: (candidate) => priceOf(candidate, limits),
    random: randomOf(input.seed),
    onBest: ({ numbers, value }) => {
      const set = numbers.flatMap((number) => candidates.all[number] ?? []);
      const bytes = set.reduce((sum, each) => sum + each.bytes, 0);
      const least = set.reduce(
        (sum, each) => sum + priceOf(each, limits) - each.maintenanceShare,
        0,
      );
      input.onProgress?.({
        explains: prices.explains,
        relativeCost: value - least,
        indexes: set.length,
        bytes,
      });
    },
  };
  const best = await walk(walkInput);
  const endedBy = timeIsOver() ? "time" : goesOn() ? undefined : "explains";
  kept = 0;
  const set = unionOf(best.numbers.flatMap((number) => candidates.all[number] ?? []));
  const found = await answer(input, walkInput, set);
  return { ...found, ...(endedBy === undefined ? {} : { endedBy }) };
}

/** By statement, what turns its cost into its part of the objective: all parts are 1 together before. */
function scalesOf({ statements, objective }: SearchInput, prices: Prices): readonly number[] {
  const before = statements.map((_, position) => prices.settled(position, 0n)?.cost);
  const counts = (position: number): boolean => (before[position] ?? 0) > 0;
  const parts = statements.map(({ weight }, position) => {
    if (!counts(position)) return 0;
    return objective === "sum" ? weight * (before[position] ?? 0) : weight;
  });
  const total = parts.reduce((sum, part) => sum + part, 0);
  return parts.map((part, position) =>
    counts(position) && total > 0 ? part / total / (before[position] ?? 1) : 0,
  );
}

/** What an index adds to the objective by being there: maintenance, and what it has to save to be worth having. */
function priceOf(candidate: Candidate, limits: AdviceLimits): number {
  const { index, bytes, maintenanceShare, surcharge } = candidate;
  const columns = index.columns.length + (index.include ?? []).length;
  const least = limits.gainLeast * (1 + COLUMN_SHARE * (columns - 1) + surcharge);
  return maintenanceShare + least + bytes * BYTE_PRICE;
}

function randomOf(seed: number): Random {
  const generator = xoroshiro128plus(seed);
  return (below) => (below <= 1 ? 0 : uniformInt(generator, 0, below - 1));
}
