/** Advice on the statements of an observed window, as the tuner of a run asks for it: small enough for the journal. */
import type { AdviceLimits, IndexAdvice } from "../../core/advice.ts";
import { messageOf, PerfoptError } from "../../core/errors.ts";
import type { DatabaseView } from "../../core/observation.ts";
import type { StatementStats } from "../../core/sample.ts";
import { adviseIndexes } from "./advise.ts";
import { withCloneEngine } from "./engine.ts";
import { readSnapshot } from "./snapshot/read.ts";
import type { Snapshot } from "./snapshot/snapshot.ts";
import type { IndexWorkload } from "./statement.ts";
import type { PricingEngine } from "./studied.ts";
import { workloadOfStatements } from "./workload/stat-statements.ts";

/** A phase has minutes: the answer is there in seconds, and what a longer search would add is below a trial's noise. */
const LIMITS: AdviceLimits = {
  widthMax: 4,
  explainsMax: 2_000,
  timeMsMax: 20_000,
  gainLeast: 0.01,
  regressionMax: 1.05,
  statementsMax: 60,
  bytesMax: 2 * 1024 ** 3,
};
const SEED = 1;
const REJECTED_MAX = 40;
const FINDINGS_MAX = 20;

/** The database as the planner knows it, for advice that needs more than indexes. */
export function observedSnapshot(database: DatabaseView): Promise<Snapshot> {
  return database.together((query) => readSnapshot(query, { redact: "nothing", now: Date.now }));
}

export function observedWorkload(statements: readonly StatementStats[]): Promise<IndexWorkload> {
  return workloadOfStatements(statements, "the observed window");
}

export async function adviseObserved(
  database: DatabaseView,
  statements: readonly StatementStats[],
): Promise<IndexAdvice> {
  const workload = await observedWorkload(statements);
  const { advice } = await adviseOn(database, workload, undefined, async () => undefined);
  return advice;
}

/**
 * The same for a snapshot that was read already. `also` is given the engine before it is closed; its answer is absent where no engine could
 * be opened.
 */
export async function adviseOn<T>(
  database: DatabaseView,
  workload: IndexWorkload,
  known: Snapshot | undefined,
  also: (engine: PricingEngine) => Promise<T>,
): Promise<{ readonly advice: IndexAdvice; readonly also?: T }> {
  try {
    const snapshot = known ?? (await observedSnapshot(database));
    return await database.withPlanner((server) =>
      withCloneEngine(server, snapshot, undefined, async (engine) => {
        const advice = await adviseIndexes({
          snapshot,
          workload,
          engine,
          limits: LIMITS,
          values: "generic",
          seed: SEED,
          now: () => performance.now(),
        });
        const short = {
          ...advice,
          rejected: advice.rejected.slice(0, REJECTED_MAX),
          findings: advice.findings.slice(0, FINDINGS_MAX),
        };
        return { advice: short, also: await also(engine) };
      }),
    );
  } catch (error) {
    // A database that cannot be read or rebuilt costs the advice, not the run.
    if (error instanceof PerfoptError && error.code !== "cannot-measure") throw error;
    return { advice: withoutAdvice(messageOf(error), workload.statements.length) };
  }
}

export function withoutAdvice(because: string, statements: number): IndexAdvice {
  return {
    format: "perfopt-index-advice/1",
    skipped: `indexes were not priced: ${because}`,
    engine: {
      kind: "planner-clone",
      sourceVersion: "unknown",
      engineVersion: "unknown",
      explains: 0,
      hypotheticals: 0,
      elapsedMs: 0,
    },
    limits: LIMITS,
    workload: {
      source: "the observed window",
      weights: "time",
      statements,
      calls: undefined,
      totalMs: undefined,
    },
    totals: {
      relativeCost: 1,
      costBefore: 0,
      costAfter: 0,
      geometricMean: 1,
      better: 0,
      worse: 0,
      bytes: 0,
    },
    statements: [],
    selected: [],
    rejected: [],
    findings: [],
    caveats: [],
  };
}
