/** The index advisor: a workload and a database's snapshot to the indexes worth having, what they cost, and what else is wrong. */
import type { IndexAdvice } from "../../core/advice.ts";
import { adviceOf } from "./assemble.ts";
import { lookAround } from "./find.ts";
import { ideasOf, readStatements, rowFinder } from "./ideas.ts";
import { proposalOf, withoutIndexes, type Prove } from "./proposal.ts";
import { poolOf } from "./search/pool.ts";
import { searchIndexes } from "./search/search.ts";

import { catalogOf } from "./snapshot/catalog-of.ts";
import type { Snapshot } from "./snapshot/snapshot.ts";
import { surcharges } from "./surcharge.ts";
import { buildTimes, type AdviseInput, type Studied } from "./studied.ts";
import { weigh } from "./weights.ts";
import { heaviestStatements } from "./workload/heaviest.ts";
import { withValues } from "./workload/values.ts";
import { foreignKeyCosts } from "./writes/foreign-keys.ts";
import { writeCostSettings } from "./writes/maintenance.ts";
import { writeCosts } from "./writes/write-cost.ts";

/** Tables with fewer rows are read whole faster than by an index. */
const ROWS_LEAST = 1_000;

/**
 * Read-only for the database: what is tried is tried in the engine. `prove` builds the proposal elsewhere and times it; what it takes
 * out is no longer advised. Throws what the engine and `prove` throw.
 */
export async function adviseIndexes(input: AdviseInput, prove?: Prove): Promise<IndexAdvice> {
  const proposed = await study(input);
  const proposal = proposalOf(proposed);
  const verification = prove && proposal.indexes.length > 0 ? await prove(proposal) : undefined;
  const studied = verification
    ? await withoutIndexes(
        proposed,
        verification.removed.map(({ index }) => index.name),
      )
    : proposed;
  input.onProgress?.("looking for what else is wrong");
  return adviceOf(studied, await lookAround(studied), verification);
}

async function study(input: AdviseInput): Promise<Studied> {
  const { snapshot, engine, limits, onProgress } = input;
  const startedMs = input.now();
  const catalog = catalogOf(snapshot);
  onProgress?.("reading the statements");
  const writes = await writeCosts(input.workload, catalog, settingsOf(snapshot));
  const whole = await foreignKeyCosts(input.workload, catalog, engine.whatIf);
  const heaviest = heaviestStatements(whole.workload, limits.statementsMax);
  const workload = await withValues(heaviest, catalog, input.values, async (sql, valuesFrom) => {
    const explained = await engine.whatIf.plan({ id: "values", sql, valuesFrom }, { with: [] });
    return explained.kind === "plan";
  });
  const read = await readStatements(workload.statements, catalog, snapshot.views);
  const weighed = await weigh(
    workload,
    read.statements.map(({ statement }) => statement),
    engine.whatIf,
  );
  const ideaLimits = { widthMax: limits.widthMax, rowsLeast: ROWS_LEAST };
  const ideas = ideasOf(read, catalog, weighed.shares, ideaLimits);
  // Where a unique index finds the row already, a covering twin of it would spare one page.
  const searched = read.statements.map(({ id, uses }) => ({
    id,
    uses: uses.filter((use) => rowFinder(use) === undefined),
  }));
  const pool = poolOf(ideas, searched, ideaLimits, catalog.extensions);
  onProgress?.(`${pool.ideas.length} ideas for ${read.statements.length} statements`);
  const builds = buildTimes(catalog, engine.buildSpeed);
  const found = await searchIndexes({
    statements: weighed.statements,
    pool,
    whatIf: engine.whatIf,
    maintenanceShare: (index, added) => writes.of(index, added, weighed.cost).percent / 100,
    buildMs: (index, added) => builds(index, added).ms,
    surcharge: surcharges(catalog),
    limits,
    objective: weighed.objective,
    seed: input.seed,
    now: input.now,
    ...(input.signal ? { signal: input.signal } : {}),
    onProgress: ({ explains, relativeCost, indexes }) =>
      onProgress?.(
        `${explains} EXPLAINs: ${indexes} indexes, cost ${(relativeCost * 100).toFixed(1)} % of before`,
      ),
  });
  return { input, catalog, weighed, read, writes, pool, found, startedMs };
}

function settingsOf(snapshot: Snapshot): ReturnType<typeof writeCostSettings> {
  const blocks = snapshot.relations.reduce((sum, each) => sum + each.blocks, 0);
  return writeCostSettings(snapshot.settings, blocks * 8_192);
}
