/**
 * The Universal Scalability Law (N. Gunther, Guerrilla Capacity Planning, 2007), fitted to throughput by concurrency:
 * X(N) = lambda N / (1 + sigma (N - 1) + kappa N (N - 1)).
 */
import { leastSquares, type Row, type Triple } from "./least-squares.ts";

export interface ThroughputPoint {
  /** Above zero. */
  readonly size: number;
  /** Per second; above zero. */
  readonly throughput: number;
}

export interface Usl {
  /** Throughput of one alone, per second. */
  readonly lambda: number;
  /** Contention: the share of work that only one can do at a time, 0 to 1. */
  readonly sigma: number;
  /** Coherency: what each pair costs each other, 0 or more. */
  readonly kappa: number;
}

const STEPS_MOST = 200;
const HALVINGS_MOST = 12;
/** Of the sum of squares: parameters are then off by far less than their own uncertainty. */
const CONVERGED = 1e-8;
const SIGMA_MOST = 1;

/** Throughput at a size, per second. */
export function uslThroughput({ lambda, sigma, kappa }: Usl, size: number): number {
  return (lambda * size) / (1 + sigma * (size - 1) + kappa * size * (size - 1));
}

/** Where the curve has its top; undefined for one that never turns down. */
export function uslPeak({ sigma, kappa }: Usl): number | undefined {
  if (!(kappa > 0)) return undefined;
  // With sigma at 1 one connection is the best, whatever the rest.
  const peak = Math.sqrt((1 - sigma) / kappa);
  return Number.isFinite(peak) ? Math.max(1, peak) : undefined;
}

/**
 * The law with the least sum of squared logarithms of measured over fitted throughput, which weighs every point by its own height:
 * throughput scatters by a share of itself. Starts at the linear solution of N/X = a + bN + cN² and goes on by Gauss-Newton within
 * sigma in 0 to 1 and kappa at least 0; a bound that a step would cross is held while the others move. Undefined where the points
 * do not determine it.
 */
export function fitUsl(points: readonly ThroughputPoint[], start?: Usl): Usl | undefined {
  let best = start ?? linearStart(points);
  if (!best) return undefined;
  let error = errorOf(points, best);
  for (let step = 0; step < STEPS_MOST; step += 1) {
    const next = improved(points, best, error);
    if (!next) break;
    const gained = error - next.error;
    ({ usl: best, error } = next);
    if (gained <= CONVERGED * error) break;
  }
  return best;
}

/** Half the sum of squares is what falls; the whole sum is returned. */
function errorOf(points: readonly ThroughputPoint[], usl: Usl): number {
  return points.reduce((sum, point) => sum + residualOf(point, usl) ** 2, 0);
}

/** The logarithm of measured over fitted. */
export function residualOf({ size, throughput }: ThroughputPoint, usl: Usl): number {
  return Math.log(throughput / uslThroughput(usl, size));
}

/** N/X = (1 - sigma)/lambda + (sigma - kappa)/lambda N + kappa/lambda N², each point weighed by (X/N)², moved into the bounds. */
function linearStart(points: readonly ThroughputPoint[]): Usl | undefined {
  const rows = points.map(({ size, throughput }): Row => {
    return { x: [1, size, size ** 2], y: size / throughput, weight: (throughput / size) ** 2 };
  });
  const [a, b, c] = leastSquares(rows) ?? [];
  if (a === undefined || b === undefined || c === undefined) return undefined;
  const whole = a + b + c;
  const first = points.reduce((least, point) => (point.size < least.size ? point : least));
  const usable = whole > 0 && Number.isFinite(whole);
  const sigma = usable ? within((b + c) / whole, 0, SIGMA_MOST) : 0;
  const kappa = usable ? Math.max(0, c / whole) : 0;
  const lambda = usable ? 1 / whole : first.throughput / first.size;
  return rescaled(points, { lambda, sigma, kappa });
}

/** The best lambda for given sigma and kappa is a mean of logarithms. */
function rescaled(points: readonly ThroughputPoint[], usl: Usl): Usl {
  const mean = points.reduce((sum, point) => sum + residualOf(point, usl), 0) / points.length;
  return { ...usl, lambda: usl.lambda * Math.exp(mean) };
}

/** One step downhill, halved until it is one; undefined at the bottom. */
function improved(
  points: readonly ThroughputPoint[],
  usl: Usl,
  error: number,
): { readonly usl: Usl; readonly error: number } | undefined {
  for (const direction of directionsOf(points, usl)) {
    let length = 1;
    for (let halving = 0; halving < HALVINGS_MOST; halving += 1) {
      const moved = rescaled(points, {
        lambda: usl.lambda * Math.exp(length * direction[0]),
        sigma: within(usl.sigma + length * direction[1], 0, SIGMA_MOST),
        kappa: Math.max(0, usl.kappa + length * direction[2]),
      });
      const movedError = errorOf(points, moved);
      if (movedError < error) return { usl: moved, error: movedError };
      length /= 2;
    }
  }
  return undefined;
}

/** Gauss-Newton's step for all three; then those with sigma, with kappa, held where it is: at a bound one of them is right. */
function directionsOf(points: readonly ThroughputPoint[], usl: Usl): readonly Triple[] {
  return [
    [true, true],
    [false, true],
    [true, false],
  ].flatMap(([sigmaMoves = true, kappaMoves = true]) => {
    const found = stepOf(points, usl, sigmaMoves, kappaMoves);
    return found ? [found] : [];
  });
}

/** How the logarithm of fitted throughput moves with that of lambda, with sigma and with kappa. */
function slopesOf(size: number, usl: Usl): Triple {
  const divisor = 1 + usl.sigma * (size - 1) + usl.kappa * size * (size - 1);
  return [1, -(size - 1) / divisor, (-size * (size - 1)) / divisor];
}

/**
 * How far the fit at each point follows that very point, 0 to 1 (the diagonal of the hat matrix, of the law made linear at the fit):
 * a residual is smaller than its error by sqrt(1 - leverage).
 */
export function leveragesOf(points: readonly ThroughputPoint[], usl: Usl): readonly number[] {
  const slopes = points.map(({ size }) => slopesOf(size, usl));
  return slopes.map((own, index) => {
    const rows = slopes.map((x, other): Row => ({ x, y: other === index ? 1 : 0, weight: 1 }));
    const found = leastSquares(rows);
    if (!found) return 0;
    return within(own[0] * found[0] + own[1] * found[1] + own[2] * found[2], 0, 1);
  });
}

/** What is held gets a column of its own, of zeros but for one row that keeps it at zero. */
function stepOf(
  points: readonly ThroughputPoint[],
  usl: Usl,
  sigmaMoves: boolean,
  kappaMoves: boolean,
): Triple | undefined {
  const rows = points.map((point): Row => {
    const [one, sigma, kappa] = slopesOf(point.size, usl);
    return {
      x: [one, sigmaMoves ? sigma : 0, kappaMoves ? kappa : 0],
      y: residualOf(point, usl),
      weight: 1,
    };
  });
  const held: readonly Row[] = [
    ...(sigmaMoves ? [] : [{ x: [0, 1, 0] as const, y: 0, weight: 1 }]),
    ...(kappaMoves ? [] : [{ x: [0, 0, 1] as const, y: 0, weight: 1 }]),
  ];
  return leastSquares([...rows, ...held]);
}

function within(value: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, value));
}
