/** What one configuration is predicted to do: simulated as Redis evicts, several times, with the spread beside the mean. */
import type { CacheChoice } from "../../core/cache-advice.ts";
import type { RedisPolicy } from "../../core/cache-curve.ts";
import { momentsOf } from "../../decide/moments.ts";
import { estimateOf, type MiniatureOutcome } from "./redis/miniature.ts";
import type { Study } from "./study.ts";

export interface Setting {
  readonly maxmemoryBytes: number;
  readonly policy: RedisPolicy;
  readonly ttlFactor: number;
}

export function choiceOf(study: Study, setting: Setting): CacheChoice {
  const { sampling } = study.question;
  const outcomes = study.simulated.map(({ miniature }) => miniature({ ...sampling, ...setting }));
  const { hitRate, error } = estimateOf(outcomes.map((outcome) => outcome.hitRate));
  const meanOf = (of: (outcome: MiniatureOutcome) => number): number =>
    momentsOf(outcomes.map(of)).mean;
  const refused = meanOf(({ refusedShare }) => refusedShare);
  const staleShare = study.staleShareOf(setting.ttlFactor);
  const { getsPerSecond } = study.facts;
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
    ...(refused > 0 ? { refused } : {}),
    misses: {
      compulsory: meanOf(({ misses }) => misses.compulsory),
      capacity: meanOf(({ misses }) => misses.capacity),
      expired: meanOf(({ misses }) => misses.expired),
      invalidated: meanOf(({ misses }) => misses.invalidated),
    },
  };
}
