/** When one index makes another superfluous: its columns begin with the other's, up to what order is free. */
import type { IndexInfo } from "./catalog.ts";
import type { IndexCandidate } from "./candidates.ts";
import type { SortColumn } from "./scope.ts";

/** The name of an existing index that serves all that a candidate would. */
export function coveringIndex(candidate: IndexCandidate): string | undefined {
  return candidate.table.indexes.find((index) => servesAs(index, candidate))?.name;
}

/**
 * Leaves out candidates that another one begins with, handing their statements on. The equalities of the longer one are
 * put in the order that makes this possible.
 */
export function mergePrefixes(
  candidates: readonly IndexCandidate[],
  onMerge: (candidate: IndexCandidate, into: IndexCandidate) => void,
): readonly IndexCandidate[] {
  const left = withoutDoubles(candidates).toSorted((a, b) => a.columns.length - b.columns.length);
  // Sorted by width, a candidate only ever merges into a later one, and what it became is looked at in its turn.
  for (let at = 0; at < left.length;) {
    const shorter = left[at];
    const into = shorter && findLonger(left, at, shorter);
    if (!shorter || !into) {
      at += 1;
      continue;
    }
    left[into.at] = into.merged;
    left.splice(at, 1);
    onMerge(shorter, into.merged);
  }
  return left;
}

/** A later candidate that begins with this one as it stands; else one that can be arranged to. */
function findLonger(
  left: readonly IndexCandidate[],
  from: number,
  shorter: IndexCandidate,
): { readonly at: number; readonly merged: IndexCandidate } | undefined {
  for (const arrange of [inPlace, rearranged]) {
    for (const [at, longer] of left.entries()) {
      const larger =
        longer.table === shorter.table && longer.columns.length > shorter.columns.length;
      const columns = at > from && larger ? arrange(longer, shorter) : undefined;
      if (columns) return { at, merged: mergeOf(longer, shorter, columns) };
    }
  }
  return undefined;
}

function mergeOf(
  longer: IndexCandidate,
  shorter: IndexCandidate,
  columns: readonly SortColumn[],
): IndexCandidate {
  return {
    table: longer.table,
    columns,
    // Only what is free in both stays free.
    equalities: Math.min(longer.equalities, shorter.equalities),
    statements: [...new Set([...longer.statements, ...shorter.statements])],
    promise: longer.promise + shorter.promise,
  };
}

/** The same index proposed by several statements, or twice by one, is one candidate. */
function withoutDoubles(candidates: readonly IndexCandidate[]): IndexCandidate[] {
  const byColumns = new Map<string, IndexCandidate>();
  for (const candidate of candidates) {
    const key = JSON.stringify([candidate.table.schema, candidate.table.name, candidate.columns]);
    const same = byColumns.get(key);
    const statements = new Set([...(same?.statements ?? []), ...candidate.statements]);
    const again = same !== undefined && statements.size === same.statements.length;
    byColumns.set(key, {
      ...candidate,
      equalities: Math.min(candidate.equalities, same?.equalities ?? candidate.equalities),
      statements: [...statements],
      promise: again
        ? Math.max(same.promise, candidate.promise)
        : candidate.promise + (same?.promise ?? 0),
    });
  }
  return [...byColumns.values()];
}

function inPlace(
  longer: IndexCandidate,
  shorter: IndexCandidate,
): readonly SortColumn[] | undefined {
  return sameStart(longer.columns, shorter.columns, shorter.equalities)
    ? longer.columns
    : undefined;
}

/** Columns that the longer one compares for equality may stand in any order: in the shorter one's, then. */
function rearranged(
  longer: IndexCandidate,
  shorter: IndexCandidate,
): readonly SortColumn[] | undefined {
  const free = new Set(longer.columns.slice(0, longer.equalities).map((column) => column.name));
  if (!shorter.columns.every((column) => free.has(column.name))) return undefined;
  const names = new Set(shorter.columns.map((column) => column.name));
  return [...shorter.columns, ...longer.columns.filter((column) => !names.has(column.name))];
}

function servesAs(index: IndexInfo, candidate: IndexCandidate): boolean {
  const plain = index.method === "btree" && index.valid && !index.partial && index.defaultOperators;
  if (!plain || index.columns.length < candidate.columns.length) return false;
  // Nulls at an unusual end change the order; equality does not mind.
  const columns: SortColumn[] = [];
  for (const [position, column] of index.columns.entries()) {
    const usual = column.nullsFirst === column.descending || position < candidate.equalities;
    if (column.name === undefined || !usual) break;
    columns.push({ name: column.name, descending: column.descending });
  }
  return sameStart(columns, candidate.columns, candidate.equalities);
}

/** Whether `columns` begin with `start`, whose first `equalities` may come in any order; read forwards or backwards. */
function sameStart(
  columns: readonly SortColumn[],
  start: readonly SortColumn[],
  equalities: number,
): boolean {
  if (columns.length < start.length) return false;
  const names = new Set(columns.slice(0, equalities).map((column) => column.name));
  if (!start.slice(0, equalities).every((column) => names.has(column.name))) return false;
  const rest = start.slice(equalities);
  const here = columns.slice(equalities, start.length);
  const flip = rest[0]?.descending !== here[0]?.descending;
  return rest.every((column, position) => {
    const other = here[position];
    return other?.name === column.name && (other.descending !== column.descending) === flip;
  });
}
