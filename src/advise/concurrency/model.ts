/**
 * The surface that a search climbs: a quadratic over the logarithms of the knobs with every interaction, held towards a slight bend downwards
 * where few points say anything. Written as a Gaussian process, which it is, so that a second term can follow bumps that no quadratic has.
 */
import type { Place, Point } from "./space.ts";
import { distance } from "./space.ts";

export interface Surface {
  /** The score at a place, relative to the centre's. */
  readonly at: (place: Place) => number;
}

export interface SurfaceSettings {
  /** What a relative change of 1 is in scores: 1 for logarithms. */
  readonly scale: number;
  /** Follow bumps, too: for surfaces with several tops, once there are points all over the range. */
  readonly bumps: boolean;
}

/** tuning.md 1.5: kernel width about 1.6, ridge towards a curvature of -0.08. The rest was chosen on the development seeds of bench/search. */
const KERNEL_WIDTH = 1.6;
const CURVATURE = -0.08;
/** Standard deviations, relative: of a window, and before anything is measured of the level and by a factor of e in a knob. */
const NOISE_SD = 0.05;
const LEVEL_SD = 1;
const SLOPE_SD = 0.5;
const CURVATURE_SD = 0.12;
const INTERACTION_SD = 0.05;
const BUMP_SD = 0.3;
const BUMP_WIDTH = 0.7;

/** Points count the less the further they are from `centre`. */
export function fitSurface(
  points: readonly Point[],
  centre: Point,
  { scale, bumps }: SurfaceSettings,
): Surface {
  const rows = points.map((point) => {
    const z = offset(point.place, centre.place);
    const near = Math.exp(-((distance(point.place, centre.place) / KERNEL_WIDTH) ** 2));
    return {
      z,
      excess: (point.score - centre.score) / scale - expected(z),
      variance: NOISE_SD ** 2 / (point.measurements * near),
    };
  });
  const weights = solve(
    rows.map((row, i) =>
      rows.map((other, j) => covariance(row.z, other.z, bumps) + (i === j ? row.variance : 0)),
    ),
    rows.map((row) => row.excess),
  );
  return {
    at: (place) => {
      const z = offset(place, centre.place);
      const sum = rows.reduce(
        (total, row, index) => total + (weights[index] ?? 0) * covariance(z, row.z, bumps),
        expected(z),
      );
      return scale * sum;
    },
  };
}

/** Before anything is measured: highest at the centre. */
function expected(z: Place): number {
  return CURVATURE * z.reduce((sum, each) => sum + each ** 2, 0);
}

/** How the scores of two places vary together, by the terms 1, z, z², the products of two, and bumps. */
function covariance(a: Place, b: Place, bumps: boolean): number {
  let slopes = 0;
  let curvatures = 0;
  let interactions = 0;
  let apart = 0;
  for (const [index, height] of a.entries()) {
    const other = b[index] ?? 0;
    // The sum of the products of all pairs grows by the sum so far.
    interactions += slopes * height * other;
    slopes += height * other;
    curvatures += (height * other) ** 2;
    apart += (height - other) ** 2;
  }
  return (
    LEVEL_SD ** 2 +
    SLOPE_SD ** 2 * slopes +
    CURVATURE_SD ** 2 * curvatures +
    INTERACTION_SD ** 2 * interactions +
    (bumps ? BUMP_SD ** 2 * Math.exp(-apart / (2 * BUMP_WIDTH ** 2)) : 0)
  );
}

function offset(place: Place, centre: Place): Place {
  return place.map((height, index) => height - (centre[index] ?? 0));
}

/** Gauss elimination; the variances of the windows keep the matrix positive definite, so that no pivot is zero. */
function solve(
  matrix: readonly (readonly number[])[],
  right: readonly number[],
): readonly number[] {
  const rows = matrix.map((row, index) => [...row, right[index] ?? 0]);
  const size = rows.length;
  for (let column = 0; column < size; column += 1) {
    const pivot = rows[column] ?? [];
    for (const row of rows.slice(column + 1)) {
      const factor = (row[column] ?? 0) / (pivot[column] ?? 1);
      for (let index = column; index <= size; index += 1) {
        row[index] = (row[index] ?? 0) - factor * (pivot[index] ?? 0);
      }
    }
  }
  const solution = Array.from({ length: size }, () => 0);
  for (let index = size - 1; index >= 0; index -= 1) {
    const row = rows[index] ?? [];
    const known = solution.reduce(
      (sum, value, at) => sum + (at > index ? value * (row[at] ?? 0) : 0),
      0,
    );
    solution[index] = ((row[size] ?? 0) - known) / (row[index] ?? 1);
  }
  return solution;
}
