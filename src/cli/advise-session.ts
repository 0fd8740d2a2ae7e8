/** One round of index advice: the source read, an engine opened, the proposal made and, where that was asked for, proven. */
import { adviseIndexes } from "../advise/indexes/advise.ts";
import { withCloneEngine } from "../advise/indexes/engine.ts";
import { openHypopg } from "../advise/indexes/clone/hypopg.ts";
import type { PricingEngine } from "../advise/indexes/studied.ts";
import type { IndexAdvice } from "../core/advice.ts";
import { PerfoptError } from "../core/errors.ts";
import { withPlannerServer } from "../target/planner-server.ts";
import { openPlainConnection } from "../target/sql.ts";
import { estimateStudy } from "./advise-estimates.ts";
import { limitsOf, type LimitOptions } from "./advise-limits.ts";
import { withAdviceSource, type AdviceSource } from "./advise-source.ts";
import { structureStudy, withStructures, type StructureOptions } from "./advise-structures.ts";
import { proofPlaceOf, proverOf, type ProofPlace } from "./advise-verify.ts";
import type { Context } from "./context.ts";
import { seedOf } from "./job.ts";
import { binariesOf } from "./postgres-bin.ts";
import { progressOf, type Progress } from "./progress.ts";

export interface AdviceOptions extends LimitOptions, StructureOptions {
  readonly values?: "generic" | "statistics";
  readonly hypopg?: boolean;
  readonly maxRegression: string;
}

export async function runAdvice(context: Context, options: AdviceOptions): Promise<IndexAdvice> {
  const limits = limitsOf(options);
  const seed = seedOf(options);
  const progress = progressOf(context);
  try {
    return await withAdviceSource(context, options, progress, (source) => {
      const place = proofPlaceOf(context, options, source, progress);
      return withEngine(context, options, source, progress, async (engine) => {
        const structures = await structureStudy(context, options, { ...source, engine }, progress);
        const estimates = estimateStudy(context, source, progress);
        const inPlace = async (at: ProofPlace): Promise<void> => {
          await estimates.look(at);
          await structures.prove(at);
        };
        const prove = proverOf(context, options, place, limits.regressionMax, progress, inPlace);
        const advice = await adviseIndexes(
          {
            ...source,
            engine,
            limits,
            seed,
            // A statement without values can be planned, but not run.
            values: options.values ?? (prove ? "statistics" : "generic"),
            now: () => performance.now(),
            onProgress: progress.say,
            signal: context.signal,
          },
          prove,
        );
        return estimates.added(await withStructures(advice, structures, place, inPlace));
      });
    });
  } finally {
    progress.stop();
  }
}

function withEngine<T>(
  context: Context,
  options: AdviceOptions,
  source: AdviceSource,
  progress: Progress,
  use: (engine: PricingEngine) => Promise<T>,
): Promise<T> {
  if (options.hypopg) return withHypopg(source, use);
  progress.say("rebuilding schema and statistics on a private server");
  return withPlannerServer(
    {
      home: context.home,
      major: Math.floor(source.snapshot.serverVersion / 10_000),
      signal: context.signal,
      onProgress: progress.say,
      environment: context.env,
      ...binariesOf(context, options),
    },
    (server) => withCloneEngine(server, source.snapshot, () => performance.now(), use),
  );
}

async function withHypopg<T>(
  { database, snapshot }: AdviceSource,
  use: (engine: PricingEngine) => Promise<T>,
): Promise<T> {
  if (database === undefined) {
    throw new PerfoptError(
      "bad-input",
      "--hypopg works in the database itself, and a snapshot has none",
      "leave --hypopg out, or give --url",
    );
  }
  const connection = await openPlainConnection(database.url);
  try {
    const whatIf = await openHypopg(connection, { serverVersion: snapshot.serverVersion });
    return await use({
      kind: "hypopg",
      version: whatIf.version,
      whatIf,
      caveats: whatIf.caveats,
      buildSpeed: undefined,
    });
  } finally {
    await connection.close();
  }
}
