/** A local parabola in the logarithm of a knob: where its top lies. */

export interface Point {
  readonly value: number;
  /** Higher is better. */
  readonly score: number;
}

/** tuning.md 1.5: kernel width about 1.6, ridge toward a curvature of -0.08, vertex no further than ln 2.7 from the best. */
const KERNEL_WIDTH = 1.6;
const CURVATURE_PRIOR = -0.08;
const RIDGE = 0.1;
const REACH = Math.log(2.7);

/** The value at the top of the weighted least-squares fit of score on 1, z, z² with z = ln(value / best). */
export function fitVertex(points: readonly Point[]): number | undefined {
  const best = points.reduce((a, b) => (b.score > a.score ? b : a));
  const rows = points.map((point) => {
    const z = Math.log(point.value / best.value);
    return { z, y: point.score - best.score, weight: Math.exp(-((z / KERNEL_WIDTH) ** 2)) };
  });
  const moment = (of: (row: (typeof rows)[number]) => number): number =>
    rows.reduce((sum, row) => sum + row.weight * of(row), 0);
  const solution = solve3(
    [
      [moment(() => 1), moment((row) => row.z), moment((row) => row.z ** 2)],
      [moment((row) => row.z), moment((row) => row.z ** 2), moment((row) => row.z ** 3)],
      [
        moment((row) => row.z ** 2),
        moment((row) => row.z ** 3),
        moment((row) => row.z ** 4) + RIDGE,
      ],
    ],
    [
      moment((row) => row.y),
      moment((row) => row.y * row.z),
      moment((row) => row.y * row.z ** 2) + RIDGE * CURVATURE_PRIOR,
    ],
  );
  if (!solution) return undefined;
  const [, slope, curvature] = solution;
  // A valley has no top: the ladder's own rungs have the ends already.
  if (curvature >= 0) return undefined;
  const z = Math.min(REACH, Math.max(-REACH, -slope / (2 * curvature)));
  return best.value * Math.exp(z);
}

type Triple = readonly [number, number, number];

/** Cramer's rule; undefined for a singular system. */
function solve3(rows: readonly [Triple, Triple, Triple], right: Triple): Triple | undefined {
  const whole = determinant(rows);
  if (Math.abs(whole) < 1e-12) return undefined;
  const withColumn = (column: number): number =>
    determinant([
      replaced(rows[0], column, right[0]),
      replaced(rows[1], column, right[1]),
      replaced(rows[2], column, right[2]),
    ]) / whole;
  return [withColumn(0), withColumn(1), withColumn(2)];
}

function replaced(row: Triple, column: number, value: number): Triple {
  return [
    column === 0 ? value : row[0],
    column === 1 ? value : row[1],
    column === 2 ? value : row[2],
  ];
}

function determinant([a, b, c]: readonly [Triple, Triple, Triple]): number {
  return (
    a[0] * (b[1] * c[2] - b[2] * c[1]) -
    a[1] * (b[0] * c[2] - b[2] * c[0]) +
    a[2] * (b[0] * c[1] - b[1] * c[0])
  );
}
