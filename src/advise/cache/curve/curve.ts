/** Hit rates of an LRU cache by its size: every key up to about two million of them, samples beyond that. */
import { mean, sampleStandardDeviation } from "simple-statistics";
import { GET } from "../../../core/cache-trace.ts";
import type { HitCurve } from "../../../core/cache-curve.ts";
import type { Accesses } from "./accesses.ts";
import { countExactly } from "./exact.ts";
import { ratesOf, type Asked, type HitRates } from "./hit-counts.ts";
import { partsOf } from "./parts.ts";
import { countInSample } from "./shards.ts";

/** Of a sample, so that its mean error is some tenths of a point; one of 32,768 has up to twice that. */
const SAMPLE_KEYS = 65_536;
const SAMPLES = 4;
/** Of a trace that is a sample itself, to see how much hangs on which keys it has. */
const PARTS = 8;
const EXACT_KEYS = 2_000_000;

export interface SampleOptions {
  /** In each sample. */
  readonly keysMax: number;
  readonly samples: number;
  readonly seed: number;
}

/** Sizes in bytes, ascending. Times to live are left out. */
export function hitCurve(
  accesses: Accesses,
  sizes: readonly number[],
  { keysExactMax = EXACT_KEYS, seed = 1 }: { keysExactMax?: number; seed?: number } = {},
): HitCurve {
  return accesses.keyCount <= keysExactMax
    ? exactCurve(accesses, sizes)
    : sampledCurve(accesses, sizes, { keysMax: SAMPLE_KEYS, samples: SAMPLES, seed });
}

/** Of all keys that the trace has. Where these are a sample, what its parts differ by says how far it may be off. */
export function exactCurve(accesses: Accesses, sizes: readonly number[]): HitCurve {
  const rates = exactRates(accesses, sizes);
  if ((accesses.sampledShare ?? 1) === 1) return { sizes, ...rates, method: "exact" };
  const parts = partsOf(accesses, PARTS).map((part) => exactRates(part, sizes));
  return { sizes, ...rates, method: "sampled", spread: spreadsOf(sizes, parts), samples: 1 };
}

function exactRates(accesses: Accesses, sizes: readonly number[]): HitRates {
  const [counts] = countExactly(accesses, sizes);
  return counts ? ratesOf(counts, askedOf(accesses)) : { hitRate: [], byteHitRate: [] };
}

/** The mean of several samples, and how far it may be off. */
export function sampledCurve(
  accesses: Accesses,
  sizes: readonly number[],
  { keysMax, samples, seed }: SampleOptions,
): HitCurve {
  const asked = askedOf(accesses);
  const each = Array.from({ length: samples }, (_, sample) =>
    ratesOf(countInSample(accesses, sizes, { keysMax, salt: seed * samples + sample }), asked),
  );
  return {
    sizes,
    hitRate: sizes.map((_, at) => mean(each.map(({ hitRate }) => hitRate[at] ?? 0))),
    byteHitRate: sizes.map((_, at) => mean(each.map(({ byteHitRate }) => byteHitRate[at] ?? 0))),
    method: "sampled",
    ...(samples > 1 ? { spread: spreadsOf(sizes, each) } : {}),
    samples,
  };
}

/** Two standard errors of the mean, at each size. */
function spreadsOf(sizes: readonly number[], each: readonly HitRates[]): number[] {
  return sizes.map((_, at) => {
    const rates = each.map(({ hitRate }) => hitRate[at] ?? 0);
    return (2 * sampleStandardDeviation(rates)) / Math.sqrt(rates.length);
  });
}

/** What all samples together must stand for. Of gets that the trace has not, the bytes are taken to be the mean of those that it has. */
function askedOf(accesses: Accesses): Asked {
  const { key, bytes, operation, sampledShare = 1, getsOfAll } = accesses;
  let gets = 0;
  let sum = 0;
  for (let row = 0; row < key.length; row += 1) {
    if (operation !== undefined && operation[row] !== GET) continue;
    gets += 1;
    sum += bytes[row] ?? 0;
  }
  if (getsOfAll === undefined || gets === 0) return { gets, bytes: sum };
  const expected = getsOfAll * sampledShare;
  return { gets: expected, bytes: (sum * expected) / gets };
}
