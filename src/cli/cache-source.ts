/** What a source of accesses hands to the cache advisor, and the options that choose one. */
import type { PresentCache, RedisSampling } from "../advise/cache/question.ts";
import { redisPolicies, type RedisPolicy } from "../core/cache-curve.ts";
import type { CacheTrace } from "../core/cache-trace.ts";
import type { RedisSettings } from "../core/observation.ts";
import type { LoadResult, ValidatorProbe } from "../core/sample.ts";
import type { LoadOptions } from "./load.ts";

export interface CacheSourceOptions extends LoadOptions {
  readonly trace?: string;
  readonly url?: string;
  readonly target?: string;
  readonly scale?: string;
  readonly capture?: string;
  readonly maxOps: string;
  readonly maxmemory?: string;
  readonly policy?: RedisPolicy;
}

export interface CacheSource {
  readonly trace: CacheTrace;
  readonly present?: PresentCache;
  readonly sampling: RedisSampling;
  /** Of the server that the cache is in, where there was one to ask. */
  readonly server?: { readonly version: string; readonly allocator: string };
  /** Of the target's load, for the caches before the service. */
  readonly load?: LoadResult;
  readonly probes?: readonly ValidatorProbe[];
  /** One sentence each. */
  readonly caveats: readonly string[];
}

/** How a server evicts; undefined settings are those of Redis' own defaults. */
export function samplingOf(settings: RedisSettings | undefined): RedisSampling {
  if (!settings) return {};
  const { maxmemorySamples, lfuLogFactor, lfuDecayMinutes } = settings;
  return { samples: maxmemorySamples, lfuLogFactor, lfuDecayMinutes };
}

/** Undefined for a policy that perfopt does not know. */
export function policyOf(name: string): RedisPolicy | undefined {
  return redisPolicies.find((policy) => policy === name);
}
