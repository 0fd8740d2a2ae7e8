// Which runs of a batch take data, and what answers depend on them.

import { runScope, runsScope } from "../cache/keys.ts";
import type { Scope } from "../cache/keys.ts";
import { noRun } from "../runs.ts";
import { textArrayText } from "./array-text.ts";
import type { Connection } from "./connection.ts";

export type KnownRuns = {
  readonly takes: (runId: string) => boolean;
  /** Why it takes none. */
  readonly problem: (runId: string) => string;
  readonly scopes: readonly Scope[];
};

export async function findRuns(
  connection: Connection,
  runIds: Iterable<string>,
): Promise<KnownRuns> {
  const { rows } = await connection.query<{
    run_id: string;
    experiment_id: number;
    lifecycle_stage: string;
  }>(
    "SELECT run_id, experiment_id, lifecycle_stage FROM runs WHERE run_id = ANY($1::text[])",
    [textArrayText([...runIds])],
    "bulk-runs",
  );
  const active = new Map<string, boolean>();
  const scopes = new Set<Scope>();
  for (const row of rows) {
    const isActive = row.lifecycle_stage === "active";
    active.set(row.run_id, isActive);
    if (isActive) scopes.add(runsScope(String(row.experiment_id))).add(runScope(row.run_id));
  }
  return {
    takes: (runId) => active.get(runId) === true,
    problem: (runId) =>
      active.has(runId)
        ? `The run ${runId} is deleted and takes no more data.`
        : noRun(runId).message,
    scopes: [...scopes],
  };
}
