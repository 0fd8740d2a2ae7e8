/** What was studied and found as the advice that is printed, journalled and verified. */
import type {
  AdvisedWorkload,
  AdviceTotals,
  IndexAdvice,
  RejectedIndex,
  SelectedIndex,
  StatementAdvice,
  StatementEffect,
  Verification,
} from "../../core/advice.ts";
import { indexBody } from "../../core/index-definition.ts";
import { buildTimes, type Studied } from "./studied.ts";
import { drawnTimes } from "./drawn-times.ts";
import type { LookedAround } from "./find.ts";
import { partitionTree } from "./findings/partitions.ts";
import type { PricedStatement, SelectedCandidate } from "./search/input.ts";
import type { WorkloadStatement } from "./statement.ts";

/** The planner's own rounding is below; what changes less is not told as a change. */
const CHANGE_LEAST = 0.001;

export async function adviceOf(
  studied: Studied,
  { findings, remedies }: LookedAround,
  verification: Verification | undefined,
): Promise<IndexAdvice> {
  const { input, weighed, found, startedMs } = studied;
  const { engine, snapshot, limits } = input;
  const selected: SelectedIndex[] = [];
  for (const each of found.selected) selected.push(await selectedOf(studied, each, verification));
  return {
    format: "perfopt-index-advice/1",
    ...(found.statements.some(({ before }) => before) || weighed.statements.length === 0
      ? {}
      : { skipped: "no statement of the workload could be planned" }),
    engine: {
      kind: engine.kind,
      sourceVersion: versionOf(snapshot.serverVersion),
      engineVersion: engine.version,
      ...engine.whatIf.counts,
      elapsedMs: input.now() - startedMs,
      ...(found.endedBy ? { endedBy: found.endedBy } : {}),
    },
    limits,
    workload: workloadOf(studied),
    totals: totalsOf(studied, selected),
    statements: statementsOf(studied, remedies),
    selected,
    rejected: distinct([
      ...(verification?.removed ?? []).map(({ index, because }) => ({ index, reason: because })),
      ...found.rejected,
      ...studied.pool.rejected,
    ]),
    findings,
    caveats: [
      ...new Set([...snapshot.caveats, ...weighed.workload.caveats, ...engine.caveats]),
      ...(studied.writes.from === "counters"
        ? ["the statements only read: writes are taken from the database's own counters"]
        : []),
      ...drawnTimes(
        studied.read.statements.map(({ statement }) => statement),
        verification,
      ),
    ],
    ...(verification ? { verification } : {}),
  };
}

function workloadOf({ input }: Studied): AdvisedWorkload {
  const { source, weights, statements } = input.workload;
  return {
    source,
    weights,
    statements: statements.length,
    calls: sumOf(statements.map(({ calls }) => calls)),
    totalMs: sumOf(statements.map(({ totalMs }) => totalMs)),
  };
}

/** Undefined where nothing is known. */
function sumOf(amounts: readonly (number | undefined)[]): number | undefined {
  const known = amounts.filter((each) => each !== undefined);
  return known.length === 0 ? undefined : known.reduce((total, each) => total + each, 0);
}

async function selectedOf(
  studied: Studied,
  { index, bytes, gain }: SelectedCandidate,
  verification: Verification | undefined,
): Promise<SelectedIndex> {
  const { input, found, pool, weighed, writes, catalog } = studied;
  const sizes = verification?.elsewhere ? [] : (verification?.sizes ?? []);
  const built = sizes.find(({ name }) => name === index.name);
  // Made already: asking again costs nothing.
  const added = await input.engine.whatIf.add(index);
  const size =
    added.kind === "added" ? added : { kind: "added" as const, bytes, rows: 0, height: undefined };
  const readers = found.statements.filter(({ after }) => after?.indexes.includes(index.name));
  const changed = readers.flatMap(effectOf);
  const table = catalog.tables.find(
    (each) => each.schema === index.schema && each.name === index.table,
  );
  const partitions = table?.kind === "partitioned" ? partitionTree(catalog, table) : undefined;
  const body = indexBody(index);
  const idea = pool.ideas.find(
    (each) =>
      each.index.schema === index.schema &&
      each.index.table === index.table &&
      indexBody(each.index) === body,
  );
  return {
    index,
    bytes: built?.bytes ?? bytes,
    gain,
    gaining: changed.filter(({ costBefore, costAfter }) => costAfter < costBefore),
    losing: changed.filter(({ costBefore, costAfter }) => costAfter > costBefore),
    build: buildTimes(catalog, input.engine.buildSpeed)(index, size),
    writes: writes.of(index, size, weighed.cost),
    ...(partitions ? { partitions } : {}),
    because: idea?.because ?? `found by the search: read by ${readers.length} statements`,
  };
}

function effectOf({ id, before, after }: PricedStatement): readonly StatementEffect[] {
  if (!before || !after) return [];
  const change = after.cost / before.cost - 1;
  if (!(Math.abs(change) > CHANGE_LEAST)) return [];
  return [{ id, costBefore: before.cost, costAfter: after.cost }];
}

function totalsOf({ found, weighed }: Studied, selected: readonly SelectedIndex[]): AdviceTotals {
  const calls = new Map(
    weighed.workload.statements.map((statement) => [statement.id, statement.calls ?? 1]),
  );
  const priced = found.statements.flatMap((each) =>
    each.before && each.after
      ? [{ ...each, from: each.before.cost, to: each.after.cost, calls: calls.get(each.id) ?? 1 }]
      : [],
  );
  const factors = priced.map(({ from, to }) => (from > 0 ? to / from : 1));
  return {
    relativeCost: found.relativeCost,
    costBefore: priced.reduce((sum, each) => sum + each.from * each.calls, 0),
    costAfter: priced.reduce((sum, each) => sum + each.to * each.calls, 0),
    geometricMean:
      factors.length === 0
        ? 1
        : Math.exp(factors.reduce((sum, factor) => sum + Math.log(factor), 0) / factors.length),
    better: factors.filter((factor) => factor < 1 - CHANGE_LEAST).length,
    worse: factors.filter((factor) => factor > 1 + CHANGE_LEAST).length,
    bytes: selected.reduce((sum, { bytes }) => sum + bytes, 0),
  };
}

/** The heaviest first; what could not be read or planned has a note and no cost. */
function statementsOf(
  { input, read, found, weighed }: Studied,
  remedies: ReadonlyMap<string, string>,
): readonly StatementAdvice[] {
  const priced = new Map(found.statements.map((each) => [each.id, each]));
  const names = new Set(found.selected.map(({ index }) => index.name));
  const considered = read.statements.map(({ id, statement, notes }): StatementAdvice => {
    const price = priced.get(id);
    const remedy = remedies.get(id);
    return {
      ...seenAs(statement),
      weight: weighed.shares.get(id) ?? 0,
      costBefore: price?.before?.cost,
      costAfter: price?.after?.cost,
      uses: (price?.after?.indexes ?? []).filter((name) => names.has(name)),
      notes: price?.failed === undefined ? notes : [...notes, `EXPLAIN: ${price.failed}`],
      ...(remedy === undefined ? {} : { remedy }),
    };
  });
  const without = read.leftOut.map(({ statement, because }) => notPriced(statement, because));
  const unread = input.workload.leftOut
    .filter(({ usual }) => !usual)
    .map(({ sql, because }, number) =>
      notPriced(
        {
          id: `left out ${number + 1}`,
          sql,
          valuesFrom: "generic",
          calls: undefined,
          totalMs: undefined,
        },
        because,
      ),
    );
  return [
    ...considered.toSorted((a, b) => b.weight - a.weight),
    ...without.filter(({ notes }) => notes.length > 0),
    ...unread,
  ];
}

type Seen = Pick<WorkloadStatement, "id" | "sql" | "valuesFrom" | "calls" | "totalMs">;

function seenAs({ id, sql, valuesFrom, calls, totalMs }: Seen): Seen {
  return { id, sql, valuesFrom, calls, totalMs };
}

function notPriced(statement: Seen, because: string): StatementAdvice {
  return {
    ...seenAs(statement),
    weight: 0,
    costBefore: undefined,
    costAfter: undefined,
    uses: [],
    notes: [because],
  };
}

function versionOf(number: number): string {
  return `${Math.floor(number / 10_000)}.${number % 10_000}`;
}

/** One rejection an index: the first reason stands. */
function distinct(rejected: readonly RejectedIndex[]): readonly RejectedIndex[] {
  const seen = new Map<string, RejectedIndex>();
  for (const each of rejected) {
    const key = `${each.index.schema}.${each.index.table} ${indexBody(each.index)}`;
    if (!seen.has(key)) seen.set(key, each);
  }
  return [...seen.values()];
}
