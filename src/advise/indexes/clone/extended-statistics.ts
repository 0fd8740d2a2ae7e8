/** Extended statistics: loaded as the bytes that PostgreSQL keeps, and read where the size of an index depends on them. */
import { quoteText } from "../../../core/index-definition.ts";
import type { PlannerConnection } from "../../../core/planner.ts";
import type { Snapshot, SnapshotExtendedStatistics } from "../snapshot/snapshot.ts";
import { runAll } from "./run.ts";

/** Types above are of the database itself: their numbers, and those of an enum's labels, differ from database to database. */
const FIRST_OWN_OID = 16_384;

/** Returns what could not be loaded. No function makes these types from bytes, but a superuser may declare that they are bytes. */
export async function loadExtendedStatistics(
  connection: PlannerConnection,
  snapshot: Snapshot,
  major: number,
): Promise<readonly string[]> {
  const gathered = snapshot.extendedStatistics.filter(({ data }) => data.length > 0);
  if (gathered.length === 0) return [];
  await connection.script(
    ["pg_ndistinct", "pg_dependencies", "pg_mcv_list"]
      .map((type) => `CREATE CAST (bytea AS ${type}) WITHOUT FUNCTION`)
      .join(";"),
  );
  const caveats: string[] = [];
  const statements = gathered.flatMap((statistics) => {
    const own = statistics.data.some(({ mostCommon }) => hasOwnTypes(mostCommon));
    if (own) {
      caveats.push(
        `most common combinations of ${statistics.schema}.${statistics.name} not loaded: they are of types of the database's own`,
      );
    }
    return statistics.data.map((data) => insertStatement(statistics, data, major, own));
  });
  const failures = await runAll(connection, statements);
  return [
    ...caveats,
    ...failures.map(({ message }) => `extended statistics not loaded: ${message}`),
  ];
}

function insertStatement(
  { schema, name }: SnapshotExtendedStatistics,
  data: SnapshotExtendedStatistics["data"][number],
  major: number,
  withoutMcv: boolean,
): string {
  const inherits = major >= 15;
  const object = `FROM pg_statistic_ext s JOIN pg_namespace n ON n.oid = s.stxnamespace
    WHERE n.nspname = ${quoteText(schema)} AND s.stxname = ${quoteText(name)}`;
  // Before PostgreSQL 15 an object begins with a row that is empty.
  const empty = `DELETE FROM pg_statistic_ext_data WHERE stxoid IN (SELECT s.oid ${object});`;
  return `${inherits ? "" : empty}
    INSERT INTO pg_statistic_ext_data (stxoid, ${inherits ? "stxdinherit, " : ""}stxdndistinct, stxddependencies, stxdmcv)
    SELECT s.oid, ${inherits ? `${data.inherited}, ` : ""}${constant(data.distinct, "pg_ndistinct")}, ${constant(data.dependencies, "pg_dependencies")},
           ${constant(withoutMcv ? null : data.mostCommon, "pg_mcv_list")} ${object}`;
}

function constant(hex: string | null, type: string): string {
  return hex === null ? "NULL" : `decode('${hex}', 'hex')::${type}`;
}

/** mcv.c, statext_mcv_serialize: magic, type, items, then the number of columns and their types' numbers. */
function hasOwnTypes(hex: string | null): boolean {
  if (hex === null) return false;
  const view = viewOf(hex);
  if (view.byteLength < 14) return false;
  const columns = view.getInt16(12, true);
  for (let column = 0; column < columns && 14 + column * 4 + 4 <= view.byteLength; column += 1) {
    if (view.getUint32(14 + column * 4, true) >= FIRST_OWN_OID) return true;
  }
  return false;
}

/** Distinct combinations of sets of columns (by number, sorted) of a table; below zero it is the share of rows. */
export function knownDistinct(
  snapshot: Snapshot,
  table: string,
): readonly { readonly columns: readonly number[]; readonly distinct: number }[] {
  return snapshot.extendedStatistics
    .filter((statistics) => statistics.table === table)
    .flatMap(({ data }) => data.filter(({ inherited }) => !inherited))
    .flatMap(({ distinct }) => (distinct === null ? [] : readDistinct(viewOf(distinct))));
}

/** mvdistinct.c, statext_ndistinct_serialize: magic, type, items; each a number, how many columns, and their numbers. */
function readDistinct(
  view: DataView,
): { readonly columns: readonly number[]; readonly distinct: number }[] {
  const items = view.byteLength >= 12 ? view.getUint32(8, true) : 0;
  const found: { readonly columns: readonly number[]; readonly distinct: number }[] = [];
  let offset = 12;
  for (let item = 0; item < items; item += 1) {
    const distinct = view.getFloat64(offset, true);
    const count = view.getInt32(offset + 8, true);
    offset += 12;
    const columns: number[] = [];
    for (let column = 0; column < count; column += 1) {
      columns.push(view.getInt16(offset, true));
      offset += 2;
    }
    found.push({ columns: columns.toSorted((a, b) => a - b), distinct });
  }
  return found;
}

function viewOf(hex: string): DataView {
  const bytes = new Uint8Array(hex.length / 2);
  for (let index = 0; index < bytes.length; index += 1) {
    bytes[index] = Number.parseInt(hex.slice(index * 2, index * 2 + 2), 16);
  }
  return new DataView(bytes.buffer);
}
