/** Advice on the statements of an observed window, as the tuner of a run asks for it: small enough for the journal. */
import type { AdviceLimits, IndexAdvice } from "../../core/advice.ts";
import { messageOf, PerfoptError } from "../../core/errors.ts";
import type { DatabaseView } from "../../core/observation.ts";
import type { StatementStats } from "../../core/sample.ts";
import { adviseIndexes } from "./advise.ts";
import { withCloneEngine } from "./engine.ts";
import { readSnapshot } from "./snapshot/read.ts";
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

export async function adviseObserved(
  database: DatabaseView,
  statements: readonly StatementStats[],
): Promise<IndexAdvice> {
  const workload = await workloadOfStatements(statements, "the observed window");
  try {
    const snapshot = await database.together((query) =>
      readSnapshot(query, { redact: "nothing", now: Date.now }),
    );
    const advice = await database.withPlanner((server) =>
      withCloneEngine(server, snapshot, undefined, (engine) =>
        adviseIndexes({
          snapshot,
          workload,
          engine,
          limits: LIMITS,
          values: "generic",
          seed: SEED,
          now: () => performance.now(),
        }),
      ),
    );
    return {
      ...advice,
      rejected: advice.rejected.slice(0, REJECTED_MAX),
      findings: advice.findings.slice(0, FINDINGS_MAX),
    };
  } catch (error) {
    // A database that cannot be read or rebuilt costs the advice, not the run.
    if (error instanceof PerfoptError && error.code !== "cannot-measure") throw error;
    return withoutAdvice(messageOf(error), workload.statements.length);
  }
}

function withoutAdvice(because: string, statements: number): IndexAdvice {
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
