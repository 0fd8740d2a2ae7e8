/** Weighted linear least squares in three unknowns, by the normal equations. */

export type Triple = readonly [number, number, number];

export interface Row {
  readonly x: Triple;
  readonly y: number;
  readonly weight: number;
}

/** Smaller pivots than this, relative to their row, are no numbers to divide by. */
const SINGULAR = 1e-13;

/** The solution with the least weighted sum of squares; undefined where the rows do not determine it. */
export function leastSquares(rows: readonly Row[]): Triple | undefined {
  const moment = (i: 0 | 1 | 2, j: 0 | 1 | 2) =>
    rows.reduce((sum, { x, weight }) => sum + weight * x[i] * x[j], 0);
  const right = (i: 0 | 1 | 2) =>
    rows.reduce((sum, { x, y, weight }) => sum + weight * x[i] * y, 0);
  return solve(
    [
      [moment(0, 0), moment(0, 1), moment(0, 2)],
      [moment(1, 0), moment(1, 1), moment(1, 2)],
      [moment(2, 0), moment(2, 1), moment(2, 2)],
    ],
    [right(0), right(1), right(2)],
  );
}

/** Of a symmetric positive matrix, scaled to a diagonal of ones first: its columns differ by powers of N. */
function solve(matrix: readonly [Triple, Triple, Triple], right: Triple): Triple | undefined {
  const [a, b, c] = [matrix[0][0], matrix[1][1], matrix[2][2]];
  if (!(a > 0 && b > 0 && c > 0)) return undefined;
  const scale: Triple = [Math.sqrt(a), Math.sqrt(b), Math.sqrt(c)];
  // Cholesky of the scaled matrix: [1, .; p, q, .; r, s, t].
  const p = matrix[1][0] / (scale[1] * scale[0]);
  const r = matrix[2][0] / (scale[2] * scale[0]);
  const q2 = 1 - p * p;
  if (!(q2 > SINGULAR)) return undefined;
  const q = Math.sqrt(q2);
  const s = (matrix[2][1] / (scale[2] * scale[1]) - r * p) / q;
  const t2 = 1 - r * r - s * s;
  if (!(t2 > SINGULAR)) return undefined;
  const t = Math.sqrt(t2);
  const u0 = right[0] / scale[0];
  const u1 = (right[1] / scale[1] - p * u0) / q;
  const u2 = (right[2] / scale[2] - r * u0 - s * u1) / t;
  const z2 = u2 / t;
  const z1 = (u1 - s * z2) / q;
  const z0 = u0 - p * z1 - r * z2;
  return [z0 / scale[0], z1 / scale[1], z2 / scale[2]];
}
