/** What one configuration is predicted to do: simulated as Redis evicts, several times, with the spread beside the mean. */
import type { CacheChoice } from "../../core/cache-advice.ts";
import type { MissClasses, RedisPolicy } from "../../core/cache-curve.ts";
import { MODEL_ERROR } from "./redis/grid.ts";
import { simulatePrepared, type RedisOutcome } from "./redis/simulate.ts";
import type { Study } from "./study.ts";

export interface Setting {
  readonly maxmemoryBytes: number;
  readonly policy: RedisPolicy;
  readonly ttlFactor: number;
}

export function choiceOf(study: Study, setting: Setting): CacheChoice {
  const { sampling } = study.question;
  const outcomes = study.simulated.map(({ seed, prepared }) =>
    simulatePrepared(prepared, { ...sampling, ...setting }, seed),
  );
  const rates = outcomes.map(({ hitRate }) => hitRate);
  const hitRate = mean(rates);
  const error = MODEL_ERROR + 2 * standardError(rates);
  const staleShare = study.staleShareOf(setting.ttlFactor);
  const getsPerSecond = study.facts.getsPerSecond * (sampling.speed ?? 1);
  return {
    ...setting,
    hitRate,
    low: Math.max(0, hitRate - error),
    high: Math.min(1, hitRate + error),
    ...(staleShare === undefined ? {} : { staleShare }),
    loadsPerSecond: (1 - hitRate) * getsPerSecond,
    ...(study.costMsMean === undefined
      ? {}
      : { loadMsSavedPerSecond: hitRate * getsPerSecond * study.costMsMean }),
    misses: missesOf(outcomes),
  };
}

function missesOf(outcomes: readonly RedisOutcome[]): MissClasses {
  const share = (of: (counts: MissClasses) => number): number =>
    mean(outcomes.map(({ counts }) => (counts.gets === 0 ? 0 : of(counts) / counts.gets)));
  return {
    compulsory: share(({ compulsory }) => compulsory),
    capacity: share(({ capacity }) => capacity),
    expired: share(({ expired }) => expired),
    invalidated: share(({ invalidated }) => invalidated),
  };
}

function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, each) => sum + each, 0) / values.length;
}

function standardError(values: readonly number[]): number {
  if (values.length < 2) return 0;
  const middle = mean(values);
  const squares = values.reduce((sum, each) => sum + (each - middle) ** 2, 0);
  return Math.sqrt(squares / (values.length - 1) / values.length);
}
