import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { expect, test } from "vitest";
import { newCandidates } from "../../../src/advise/indexes/search/candidates.ts";
import { newPrices, type Prices } from "../../../src/advise/indexes/search/prices.ts";
import {
  costWith,
  fakePool,
  fakeWhatIf,
  indexNumber,
  randomWorld,
  type FakeWorld,
} from "./fake-planner.ts";

const INDEXES = 10;
const STATEMENTS = 5;

test("what follows without an EXPLAIN is what an EXPLAIN says, and the bounds hold", async () => {
  let followed = 0;
  for (let seed = 1; seed <= 30; seed += 1) {
    const world = randomWorld(seed, INDEXES, STATEMENTS);
    const { prices } = await priced(world);
    const generator = xoroshiro128plus(seed);
    for (let asked = 0; asked < 60; asked += 1) {
      const statement = uniformInt(generator, 0, STATEMENTS - 1);
      const set = BigInt(uniformInt(generator, 0, 2 ** INDEXES - 1));
      const truth = costWith(world, statement, numbersIn(set));
      expect(prices.lower(statement, set)).toBeLessThanOrEqual(truth);
      expect(prices.upper(statement, set)).toBeGreaterThanOrEqual(truth);
      const settled = prices.settled(statement, set);
      if (settled) {
        followed += 1;
        expect(settled.cost).toBe(truth);
      }
      expect((await prices.price(statement, set))?.cost).toBe(truth);
    }
  }
  // Of 1,800 random questions a third and more; those of a search are far less random.
  expect(followed).toBeGreaterThan(500);
});

test("an index that a statement cannot use makes no other question", async () => {
  const world: FakeWorld = {
    bytes: [1, 1],
    maintenance: [],
    ways: [
      [
        { needs: [], cost: 9 },
        { needs: [0], cost: 3 },
      ],
      [
        { needs: [], cost: 9 },
        { needs: [1], cost: 3 },
      ],
    ],
    weights: [1, 1],
  };
  const { prices, sent } = await priced(world);
  await prices.explained(0, 0b01n);
  await prices.explained(0, 0b11n);
  expect(sent()).toBe(1);
});

test("no EXPLAIN is sent beyond what may be", async () => {
  const { prices, sent } = await priced(randomWorld(1, INDEXES, STATEMENTS), 3);
  for (let statement = 0; statement < STATEMENTS; statement += 1) await prices.price(statement, 0n);
  expect(sent()).toBe(3);
  expect(await prices.explained(4, 0n)).toBeUndefined();
});

async function priced(
  world: FakeWorld,
  explainsMax = Infinity,
): Promise<{ readonly prices: Prices; readonly sent: () => number }> {
  const whatIf = fakeWhatIf(world);
  const candidates = newCandidates({
    whatIf,
    statementsOf: fakePool(world).statementsOf,
    positions: new Map(world.ways.map((_, statement) => [`Q${statement}`, statement])),
    maintenanceShare: () => 0,
    buildMs: () => undefined,
  });
  // Those that no statement could use get no number, which would shift the others'.
  for (const number of world.bytes.keys()) await candidates.add(indexNumber(number));
  const numbers = candidates.all.map(({ index }) => index.table);
  const prices = newPrices({
    statements: world.ways.map((_, statement) => ({
      id: `Q${statement}`,
      sql: "SELECT 1",
      valuesFrom: "statement",
    })),
    whatIf,
    candidates,
    mayExplain: (count) => count < explainsMax,
  });
  const inWorld = (set: bigint): bigint =>
    numbers.reduce(
      (bits, table, at) =>
        set & (1n << BigInt(table.slice(1))) ? bits | (1n << BigInt(at)) : bits,
      0n,
    );
  return {
    sent: whatIf.sent,
    prices: {
      ...prices,
      explained: (statement, set) => prices.explained(statement, inWorld(set)),
      price: (statement, set) => prices.price(statement, inWorld(set)),
      settled: (statement, set) => prices.settled(statement, inWorld(set)),
      lower: (statement, set) => prices.lower(statement, inWorld(set)),
      upper: (statement, set) => prices.upper(statement, inWorld(set)),
    },
  };
}

function numbersIn(bits: bigint): ReadonlySet<number> {
  return new Set(
    Array.from({ length: INDEXES }, (_, number) => number).filter(
      (number) => (bits >> BigInt(number)) & 1n,
    ),
  );
}
