/** A planner of which the truth is known: each statement has a few ways to run, each with the indexes it needs, and takes the cheapest that is there. */
import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import type { AdviceLimits } from "../../../src/core/advice.ts";
import { indexName, type IndexDefinition } from "../../../src/core/index-definition.ts";
import type { CandidatePool } from "../../../src/advise/indexes/pool.ts";
import type { SearchInput } from "../../../src/advise/indexes/search/input.ts";
import type { WhatIf } from "../../../src/advise/indexes/what-if.ts";

export interface FakeWay {
  readonly needs: readonly number[];
  readonly cost: number;
}

export interface FakeWorld {
  /** By index. */
  readonly bytes: readonly number[];
  readonly maintenance: readonly number[];
  /** By statement; the way that needs nothing is there always. */
  readonly ways: readonly (readonly FakeWay[])[];
  readonly weights: readonly number[];
}

const NO_LIMITS: AdviceLimits = {
  widthMax: 4,
  explainsMax: 10_000,
  timeMsMax: 1e9,
  gainLeast: 0,
  regressionMax: 1.05,
  statementsMax: 100,
};

export function indexNumber(number: number): IndexDefinition {
  const index = { schema: "public", table: `t${number}`, columns: [{ name: "a" }] };
  return { ...index, name: indexName(index) };
}

export function numberOf({ table }: Pick<IndexDefinition, "table">): number {
  return Number(table.slice(1));
}

/** What a statement costs when exactly these indexes are there. */
export function costWith(world: FakeWorld, statement: number, there: ReadonlySet<number>): number {
  return wayWith(world, statement, there).cost;
}

function wayWith(world: FakeWorld, statement: number, there: ReadonlySet<number>): FakeWay {
  const open = (world.ways[statement] ?? []).filter(({ needs }) =>
    needs.every((each) => there.has(each)),
  );
  return open.reduce((a, b) => (b.cost < a.cost ? b : a));
}

export function fakeWhatIf(
  world: FakeWorld,
): Pick<WhatIf, "add" | "plan"> & { readonly sent: () => number } {
  let sent = 0;
  const byName = new Map(world.bytes.map((_, number) => [indexNumber(number).name, number]));
  return {
    sent: () => sent,
    add: (index) =>
      Promise.resolve({
        kind: "added",
        bytes: world.bytes[numberOf(index)] ?? 0,
        rows: 1,
        height: 1,
      }),
    plan: (statement, set) => {
      sent += 1;
      const there = new Set(set.with.flatMap((name) => byName.get(name) ?? []));
      const { cost, needs } = wayWith(world, Number(statement.id.slice(1)), there);
      const indexes = needs.map((number) => indexNumber(number).name);
      const root = { "Node Type": "Result", "Total Cost": cost, "Plan Rows": 1 };
      return Promise.resolve({ kind: "plan", plan: { cost, indexes, root } });
    },
  };
}

export function fakePool(world: FakeWorld): CandidatePool {
  const statementsOf = (index: IndexDefinition) =>
    world.ways.flatMap((ways, statement) =>
      ways.some(({ needs }) => needs.includes(numberOf(index))) ? [`Q${statement}`] : [],
    );
  return {
    ideas: world.bytes.map((_, number) => ({
      index: indexNumber(number),
      statements: statementsOf(indexNumber(number)),
      promise: 1,
      because: "It is there to be tried.",
    })),
    rejected: [],
    variants: () => [],
    merge: () => [],
    statementsOf,
  };
}

export function fakeInput(world: FakeWorld, limits: Partial<AdviceLimits> = {}): SearchInput {
  return {
    statements: world.ways.map((_, statement) => ({
      statement: { id: `Q${statement}`, sql: "SELECT 1", valuesFrom: "statement" },
      weight: world.weights[statement] ?? 1,
    })),
    pool: fakePool(world),
    whatIf: fakeWhatIf(world),
    maintenanceShare: (index) => world.maintenance[numberOf(index)] ?? 0,
    buildMs: (index) => (world.bytes[numberOf(index)] ?? 0) * 2,
    limits: { ...NO_LIMITS, ...limits },
    objective: "sum",
    seed: 1,
    now: () => 0,
  };
}

/** Indexes of 1 to 30 bytes, statements with ways of one to three indexes that overlap: joins whose indexes pay only together, too. */
export function randomWorld(seed: number, indexes: number, statements: number): FakeWorld {
  const generator = xoroshiro128plus(seed);
  const draw = (from: number, to: number) => uniformInt(generator, from, to);
  const some = (count: number) => [
    ...new Set(Array.from({ length: count }, () => draw(0, indexes - 1))),
  ];
  return {
    bytes: Array.from({ length: indexes }, () => draw(1, 30)),
    maintenance: Array.from({ length: indexes }, () => 0),
    ways: Array.from({ length: statements }, () => {
      const whole = draw(100, 1000);
      const ways = Array.from({ length: draw(2, 6) }, () => ({
        needs: some(draw(1, 3)),
        cost: Math.round((whole * draw(5, 95)) / 100),
      }));
      return [{ needs: [], cost: whole }, ...ways];
    }),
    weights: Array.from({ length: statements }, () => draw(1, 5)),
  };
}

/** The least relative cost of any set within the bytes, by trying all of them. */
export function bestOfAll(world: FakeWorld, bytesMax: number): number {
  const count = world.bytes.length;
  const before = totalWith(world, new Set());
  let best = 1;
  for (let bits = 0; bits < 2 ** count; bits += 1) {
    const there = new Set(
      world.bytes.flatMap((_, number) => ((bits >> number) & 1 ? [number] : [])),
    );
    const bytes = [...there].reduce((sum, number) => sum + (world.bytes[number] ?? 0), 0);
    if (bytes <= bytesMax) best = Math.min(best, totalWith(world, there) / before);
  }
  return best;
}

export function totalWith(world: FakeWorld, there: ReadonlySet<number>): number {
  return world.ways.reduce(
    (sum, _, statement) =>
      sum + (world.weights[statement] ?? 1) * costWith(world, statement, there),
    0,
  );
}
