/** An observation of aggregates made by hand, for tests of what reads it. */
import type { AggregateObservation } from "../src/advise/aggregates/observe.ts";
import type { Knob, KnobRole, KnobValue } from "../src/core/knob.ts";
import { advice } from "./advice.ts";

const MB = 1024 ** 2;

export const aggregateKnobs: readonly Knob[] = [
  knob("sort-memory", "pg-work-mem", { kind: "bytes", min: 64 * 1024, max: 1024 * MB }, 8 * MB),
  knob("compiling", "pg-jit", { kind: "bool" }, true),
];

export const aggregates: AggregateObservation = {
  indexes: advice,
  executed: { count: 3, skipped: ["DELETE FROM cars: it is no query"] },
  statistics: {
    proposed: [
      {
        statistics: {
          schema: "public",
          table: "cars",
          name: "perfopt_cars_make_model_stats",
          kinds: ["dependencies"],
          columns: ["make", "model"],
        },
        misestimate: {
          statement: "1",
          share: 0.5,
          drawn: false,
          node: "Seq Scan on cars",
          planned: 1,
          actual: 100,
          factor: 100,
          cause: { kind: "columns", schema: "public", table: "cars", terms: [], of: "conditions" },
        },
        statements: ["1"],
        because: "Seq Scan on cars: 1 row expected and 100 rows came",
      },
    ],
    remarks: [],
  },
  settings: {
    ideas: [
      {
        role: "pg-work-mem",
        to: 32 * MB,
        hypothesis: "with work_mem at 32.0 MB a sort stays in memory",
        evidence: ["Sort wrote 20 MB to disk"],
      },
      { role: "pg-jit", to: false, hypothesis: "without compiling", evidence: [] },
    ],
    notWorth: [],
  },
  knobs: aggregateKnobs.map((each) => ({ knob: each, value: each.default })),
  structures: {
    plans: [
      {
        id: "materialised-view-1",
        kind: "materialised-view",
        table: "public.orders",
        makes: '"public"."perfopt_daily"',
        title: "a view of daily sums",
        statements: ["1"],
        apply: [],
        revert: [],
        steps: [],
        upkeep: "",
        estimated: { ofRows: 1_000_000 },
        rewrites: [],
        caveats: [],
      },
    ],
    refused: [],
    proofs: [
      {
        plan: "materialised-view-1",
        outcome: {
          kind: "proven",
          rewrites: [
            {
              statement: "1",
              sameRows: true,
              compared: 1,
              rows: 10,
              beforeMs: 100,
              afterMs: 10,
              ratio: { estimate: 0.1, low: 0.08, high: 0.12, confidence: 0.99 },
              executions: 9,
            },
          ],
          unmeasured: [],
          buildMs: 100,
          bytes: MB,
        },
      },
    ],
  },
};

function knob(id: string, role: KnobRole, domain: Knob["domain"], initial: KnobValue): Knob {
  return {
    id,
    title: id,
    role,
    domain,
    default: initial,
    scope: "restart",
    set: { kind: "postgres", parameter: id },
  };
}
