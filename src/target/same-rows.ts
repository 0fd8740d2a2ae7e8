/** Whether two results hold the same rows, whatever their order: numbers that are sums may differ in their last digits. */

export interface ResultRows {
  readonly columns: readonly { readonly name: string; readonly type: number }[];
  /** Values as PostgreSQL writes them. */
  readonly rows: readonly (readonly (string | null)[])[];
}

/** real, double precision and numeric, as pg_type numbers them. */
const INEXACT = new Set([700, 701, 1700]);
/** Relative: the order in which a million doubles are added shows far below. */
const TOLERANCE = 1e-9;
const SHOWN = 60;

/** One clause that says what differs first; undefined where nothing does. */
export function differenceOf(left: ResultRows, right: ResultRows): string | undefined {
  if (left.columns.length !== right.columns.length)
    return `${left.columns.length} columns, then ${right.columns.length}`;
  for (const [at, column] of left.columns.entries()) {
    const other = right.columns[at];
    if (column.name !== other?.name) return `column ${column.name} is then called ${other?.name}`;
    if (column.type !== other.type) return `column ${column.name} is then of another type`;
  }
  if (left.rows.length !== right.rows.length)
    return `${left.rows.length} rows, then ${right.rows.length}`;
  const inexact = left.columns.map(({ type }) => INEXACT.has(type));
  const [mine, theirs] = [sorted(left.rows, inexact), sorted(right.rows, inexact)];
  for (const [at, row] of mine.entries()) {
    const other = theirs[at] ?? [];
    const column = row.findIndex(
      (value, index) => !isSame(value, other[index] ?? null, inexact[index] === true),
    );
    if (column >= 0)
      return `${left.columns[column]?.name} is ${shown(row[column])}, then ${shown(other[column])}`;
  }
  return undefined;
}

function shown(value: string | null | undefined): string {
  if (value === null || value === undefined) return "NULL";
  return value.length <= SHOWN ? value : `${value.slice(0, SHOWN)}…`;
}

function isSame(left: string | null, right: string | null, inexact: boolean): boolean {
  if (left === right) return true;
  if (!inexact || left === null || right === null) return false;
  const [a, b] = [Number(left), Number(right)];
  if (!Number.isFinite(a) || !Number.isFinite(b)) return false;
  return Math.abs(a - b) <= TOLERANCE * Math.max(Math.abs(a), Math.abs(b));
}

/** By what is exact first, so that near-equal numbers meet each other. */
function sorted(rows: ResultRows["rows"], inexact: readonly boolean[]): ResultRows["rows"] {
  const exactAt = inexact.flatMap((each, at) => (each ? [] : at));
  const inexactAt = inexact.flatMap((each, at) => (each ? at : []));
  return rows.toSorted((left, right) => {
    for (const at of exactAt) {
      const order = textOrder(left[at] ?? null, right[at] ?? null);
      if (order !== 0) return order;
    }
    for (const at of inexactAt) {
      const order = numberOrder(left[at] ?? null, right[at] ?? null);
      if (order !== 0) return order;
    }
    return 0;
  });
}

function textOrder(left: string | null, right: string | null): number {
  if (left === right) return 0;
  if (left === null) return -1;
  if (right === null) return 1;
  return left < right ? -1 : 1;
}

/** Near-equal ones are not ordered by their difference; NaN and NULL are as texts are. */
function numberOrder(left: string | null, right: string | null): number {
  if (isSame(left, right, true)) return 0;
  const difference = Number(left) - Number(right);
  return left === null || right === null || Number.isNaN(difference)
    ? textOrder(left, right)
    : difference;
}
