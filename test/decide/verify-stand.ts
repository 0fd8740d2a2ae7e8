/** A stand with known truth: how long each statement takes with each set of indexes, and noise. */
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
import type {
  VerifyIndex,
  VerifyPlan,
  VerifyStand,
  VerifyStatement,
} from "../../src/core/verification.ts";

export interface TrueStatement {
  readonly id: string;
  readonly weight?: number;
  readonly generic?: boolean;
  /** Index to the factor that it multiplies the time by, when the plan reads it. */
  readonly reads?: Readonly<Record<string, number>>;
  /** Index to the factor by which maintaining it slows the statement down. */
  readonly maintains?: Readonly<Record<string, number>>;
  /** Overrides the product of factors. */
  readonly ms?: (visible: readonly string[]) => number;
  readonly fails?: string;
}

export function statementsOf(truth: readonly TrueStatement[]): readonly VerifyStatement[] {
  return truth.map(({ id, weight, generic }) => ({
    id,
    sql: id,
    valuesFrom: generic ? "generic" : "statement",
    weight: weight ?? 1 / truth.length,
    estimated: undefined,
  }));
}

export function indexesNamed(...names: readonly string[]): readonly VerifyIndex[] {
  return names.map((name) => ({
    index: { schema: "s", table: "t", name, columns: [{ name: "c" }] },
    estimatedBytes: 1,
    statements: [],
  }));
}

/** `noise` is the standard deviation of the logarithm of a run. */
export function standOf(
  truth: readonly TrueStatement[],
  names: readonly string[],
  noise: number,
  seed: number,
): VerifyStand & { readonly runs: () => number } {
  const random = xoroshiro128plus(seed);
  let runs = 0;
  const of = ({ id }: VerifyStatement): TrueStatement =>
    truth.find((each) => each.id === id) ?? { id };
  const normal = () =>
    Math.sqrt(-2 * Math.log(1 - uniformFloat64(random))) *
    Math.cos(2 * Math.PI * uniformFloat64(random));
  const timeOf = (statement: TrueStatement, visible: readonly string[]) => {
    if (statement.ms) return statement.ms(visible);
    const factors = { ...statement.reads, ...statement.maintains };
    return visible.reduce((ms, name) => ms * (factors[name] ?? 1), 100);
  };
  return {
    design: "simulated",
    sizes: names.map((name) => ({ name, bytes: 2, buildMs: 3 })),
    plan: async (statement, visible): Promise<VerifyPlan> => {
      const { fails, reads = {}, maintains = {} } = of(statement);
      if (fails !== undefined) return { kind: "failed", because: fails };
      const read = visible.filter((name) => name in reads);
      return {
        kind: "plan",
        shape: read.join(),
        writes: Object.keys(maintains).length > 0,
        reads: read,
        maintains: Object.keys(maintains),
      };
    },
    run: async (statement, visible, timeoutMs) => {
      runs += 1;
      const ms = timeOf(of(statement), visible) * Math.exp(noise * normal());
      return ms > timeoutMs ? { kind: "timeout" } : { kind: "ran", ms };
    },
    runs: () => runs,
  };
}
