/** A target under its own load as a source of cache advice: what its caches were asked for, how they are configured, and its responses. */
import { observedCache } from "../advise/cache/observed.ts";
import type { PresentCache } from "../advise/cache/question.ts";
import { PerfoptError } from "../core/errors.ts";
import { knobByRole } from "../core/observation.ts";
import type { RedisStats, TargetView } from "../core/observation.ts";
import { policyOf, samplingOf, type CacheSource, type CacheSourceOptions } from "./cache-source.ts";
import { withCacheTarget } from "./cache-target.ts";
import type { Context } from "./context.ts";
import type { Progress } from "./progress.ts";

/** The target runs until `use` returns or throws. */
export function observeTarget<T>(
  context: Context,
  options: CacheSourceOptions,
  progress: Progress,
  use: (source: CacheSource) => Promise<T>,
): Promise<T> {
  const load = { ...options, ...(options.capture ? { window: options.capture } : {}) };
  return withCacheTarget(context, load, progress, ({ view, name, probes }) => {
    const observed = observedCache(view);
    if (!observed) {
      throw new PerfoptError(
        "cannot-measure",
        `${name} shows nothing that a cache could keep: no look-ups and no repeated reads`,
        "trace the service's cache with perfopt/tracer, or give another --workload",
      );
    }
    const { trace, from } = observed;
    return use({
      trace: { ...trace, source: name },
      ...(from === "look-ups" ? { present: presentOf(view) } : {}),
      sampling: samplingOf(view.redis?.settings),
      ...serverOf(view.redis),
      load: view.sample.load,
      probes,
      caveats: [
        ...(from === "responses"
          ? [
              "the service does not tell its look-ups (perfopt/tracer): its responses stand for them, writes are not seen, and the present configuration is not judged",
            ]
          : []),
        ...view.sample.invalidBecause.map((why) => `the window: ${why}`),
      ],
    });
  });
}

function presentOf(view: TargetView): PresentCache {
  const ttlMs = knobByRole(view, "l1-ttl")?.value;
  const bytes = knobByRole(view, "l1-size")?.value;
  const policy = policyOf(view.redis?.policy ?? "");
  return {
    ...(view.redis ? { maxmemoryBytes: view.redis.maxmemoryBytes } : {}),
    ...(policy ? { policy } : {}),
    ...(typeof ttlMs === "number" && ttlMs > 0 && typeof bytes === "number"
      ? { l1: { ttlMs, bytes } }
      : {}),
  };
}

function serverOf(redis: RedisStats | undefined): Pick<CacheSource, "server"> {
  if (!redis?.settings) return {};
  const { version, allocator } = redis.settings;
  return { server: { version, allocator } };
}
