/** Choices that no other beats in memory, hit rate and stale reads at once. */
import type { CacheChoice } from "../../core/cache-advice.ts";

/** The smallest first. */
export function paretoOf(
  choices: readonly CacheChoice[],
  getsPerSecond: number,
  most: number,
): readonly CacheChoice[] {
  const sorted = choices.toSorted(
    (a, b) => a.maxmemoryBytes - b.maxmemoryBytes || b.hitRate - a.hitRate,
  );
  const kept = sorted.filter(
    (choice) => !sorted.some((other) => other !== choice && beats(other, choice)),
  );
  return withMarginal(thinned(kept, most), getsPerSecond);
}

function beats(other: CacheChoice, choice: CacheChoice): boolean {
  const [memory, hits, stale] = [
    choice.maxmemoryBytes - other.maxmemoryBytes,
    other.hitRate - choice.hitRate,
    (choice.staleShare ?? 0) - (other.staleShare ?? 0),
  ];
  if (memory < 0 || hits < 0 || stale < 0) return false;
  return memory > 0 || hits > 0 || stale > 0;
}

/** Evenly in their order, both ends kept. */
function thinned(choices: readonly CacheChoice[], most: number): readonly CacheChoice[] {
  if (choices.length <= most) return choices;
  const step = (choices.length - 1) / (most - 1);
  const places = new Set(Array.from({ length: most }, (_, index) => Math.round(index * step)));
  return choices.filter((_, place) => places.has(place));
}

function withMarginal(
  choices: readonly CacheChoice[],
  getsPerSecond: number,
): readonly CacheChoice[] {
  return choices.map((choice, index) => {
    const before = choices[index - 1];
    const extraMb = before ? (choice.maxmemoryBytes - before.maxmemoryBytes) / 1024 ** 2 : 0;
    // What times to live or another policy add is not the memory's doing.
    const alike = before?.policy === choice.policy && before.ttlFactor === choice.ttlFactor;
    if (!before || !alike || extraMb <= 0) return choice;
    const hits = (choice.hitRate - before.hitRate) * getsPerSecond;
    return { ...choice, hitsPerExtraMb: hits / extraMb };
  });
}
