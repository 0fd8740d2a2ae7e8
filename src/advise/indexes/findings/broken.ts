/** Indexes that need repair: invalid ones, which writes keep up and no read uses, and bloated ones. */
import type { Finding } from "../../../core/advice.ts";
import { qualifiedName, quoteText } from "../../../core/index-definition.ts";
import { formatBytes } from "../../../core/units.ts";
import type { IndexInfo, TableInfo } from "../catalog.ts";
import type { FindingBounds, FindingsInput } from "./input.ts";
import { likeness } from "./same-index.ts";

export function brokenIndexes(input: FindingsInput, bounds: FindingBounds): readonly Finding[] {
  return input.catalog.tables.flatMap((table) =>
    table.indexes.flatMap((index) =>
      index.valid ? (bloated(input, table, index, bounds) ?? []) : invalid(table, index),
    ),
  );
}

function invalid(table: TableInfo, index: IndexInfo): Finding {
  const name = qualifiedName(table.schema, index.name);
  const running =
    "Look in pg_stat_progress_create_index first whether somebody is building it right now";
  const as = (detail: string, sql: string): Finding => ({
    kind: "invalid",
    table: `${table.schema}.${table.name}`,
    index: index.name,
    bytes: index.bytes,
    detail,
    sql,
  });
  if (table.kind === "partitioned") {
    return as(
      "it is invalid until an index of every partition is attached to it; partitions without one are read whole",
      `-- Partitions of which no index is attached to it yet:\nSELECT i.inhrelid::regclass AS partition FROM pg_inherits i WHERE i.inhparent = ${quoteText(qualifiedName(table.schema, table.name))}::regclass\n  AND NOT EXISTS (SELECT FROM pg_inherits a JOIN pg_index x ON x.indexrelid = a.inhrelid\n                  WHERE a.inhparent = ${quoteText(name)}::regclass AND x.indrelid = i.inhrelid);\n-- For each: CREATE INDEX CONCURRENTLY ...; ALTER INDEX ${name} ATTACH PARTITION ...;`,
    );
  }
  const drop = `DROP INDEX CONCURRENTLY ${name};`;
  // The suffixes of REINDEX CONCURRENTLY (documented with REINDEX).
  if (/_ccnew\d*$/.test(index.name)) {
    return as(
      `an interrupted REINDEX CONCURRENTLY left it: writes pay for it, and no read uses it. Drop it, then repeat the REINDEX. ${running}`,
      drop,
    );
  }
  if (/_ccold\d*$/.test(index.name)) {
    return as(
      `a finished REINDEX CONCURRENTLY could not drop the old index: writes pay for it, and no read uses it. ${running}`,
      drop,
    );
  }
  const twin = table.indexes.find(
    (other) => other.valid && other !== index && likeness(index, other) === "same",
  );
  if (twin) {
    return as(
      `an interrupted build left it: writes pay for it, and no read uses it; ${twin.name} is the same and valid. ${running}`,
      drop,
    );
  }
  const cause = index.unique
    ? "an interrupted build left it, or rows that are not unique stopped the build; remove those first"
    : "an interrupted build left it";
  return as(
    `${cause}. Writes pay for it, and no read uses it: build it again, or drop it (${drop}). ${running}`,
    `REINDEX INDEX CONCURRENTLY ${name};`,
  );
}

function bloated(
  { expectedBytes }: FindingsInput,
  table: TableInfo,
  index: IndexInfo,
  bounds: FindingBounds,
): Finding | undefined {
  const expected = expectedBytes?.(index, table);
  if (expected === undefined || !Number.isFinite(expected) || expected <= 0) return undefined;
  const factor = index.bytes / expected;
  if (factor < bounds.bloatFactorLeast) return undefined;
  if (index.bytes - expected < bounds.bloatBytesLeast) return undefined;
  return {
    kind: "bloated",
    table: `${table.schema}.${table.name}`,
    index: index.name,
    bytes: index.bytes,
    detail: `it has ${formatBytes(index.bytes)}, and built afresh it would have about ${formatBytes(expected)} (estimated): ${factor.toFixed(1)} times what it needs. A rebuild needs the room of the new one beside the old`,
    sql: `REINDEX INDEX CONCURRENTLY ${qualifiedName(table.schema, index.name)};`,
  };
}
