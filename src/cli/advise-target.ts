/** The index advisor's look at a service that perfopt starts itself: one window of its own load, then its database. */
import type { Snapshot } from "../advise/indexes/snapshot/snapshot.ts";
import { PerfoptError } from "../core/errors.ts";
import type { StatementStats } from "../core/sample.ts";
import { closeLoad } from "../load/engine.ts";
import { snapshotOf, viewOf, type SourceOptions } from "./advise-database.ts";
import { benchJob, benchLoad } from "./bench-session.ts";
import type { Context } from "./context.ts";
import type { Progress } from "./progress.ts";
import { withSolo } from "./solo.ts";

export interface ObservedTarget {
  readonly snapshot: Snapshot;
  readonly statements: readonly StatementStats[];
  /** For people. */
  readonly name: string;
  /** Of perfopt's own copy, with all rights. */
  readonly databaseUrl: string;
}

/** The target runs until `use` returns or throws. Throws cannot-measure when the window does not tell which statements it took. */
export async function withObservedTarget<T>(
  context: Context,
  options: SourceOptions,
  progress: Progress,
  use: (observed: ObservedTarget) => Promise<T>,
): Promise<T> {
  const { url: _, ...own } = options;
  const job = await benchJob(context, own);
  try {
    return await withSolo(context, job, progress, async (solo) => {
      const load = await benchLoad(job, solo, progress);
      progress.say(`one window of load: ${load.words}`);
      const sample = await solo.sample({ ...load.window, seed: job.seed });
      const statements = sample.server?.statements;
      if (statements === undefined || solo.databaseUrl === undefined) {
        throw new PerfoptError(
          "cannot-measure",
          `the load of ${job.target.title} does not tell its statements: ${(sample.server?.unmeasured ?? []).join("; ") || "its database is not known"}`,
          "give the statements: --queries FILE",
        );
      }
      progress.say("reading schema and statistics");
      return use({
        snapshot: await snapshotOf(viewOf(context, solo.databaseUrl, options, progress)),
        statements,
        name: `the load of ${job.target.title} (${job.plan.workload.name}, ${load.words})`,
        databaseUrl: solo.databaseUrl,
      });
    });
  } finally {
    await closeLoad();
  }
}
