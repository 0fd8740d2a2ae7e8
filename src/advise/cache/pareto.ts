/** Choices that no other beats in memory, hit rate and stale reads at once. */
import type { CacheChoice } from "../../core/cache-advice.ts";

/** The smallest first; those beaten by less than the predictions' own error stay out. */
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

/** Evenly over the hit rates, both ends kept. */
function thinned(choices: readonly CacheChoice[], most: number): readonly CacheChoice[] {
  const [first, last] = [choices[0], choices.at(-1)];
  if (!first || !last || choices.length <= most) return choices;
  const step = (last.hitRate - first.hitRate) / (most - 1);
  let wanted = first.hitRate;
  return choices.filter((choice) => {
    if (choice !== last && choice.hitRate < wanted) return false;
    wanted = choice.hitRate + step;
    return true;
  });
}

function withMarginal(
  choices: readonly CacheChoice[],
  getsPerSecond: number,
): readonly CacheChoice[] {
  return choices.map((choice, index) => {
    const before = choices[index - 1];
    const extraMb = before ? (choice.maxmemoryBytes - before.maxmemoryBytes) / 1024 ** 2 : 0;
    if (!before || extraMb <= 0) return choice;
    const hits = (choice.hitRate - before.hitRate) * getsPerSecond;
    return { ...choice, hitsPerExtraMb: hits / extraMb };
  });
}
