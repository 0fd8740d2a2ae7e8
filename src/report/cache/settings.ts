/** The settings worth a comparison: those that no other beats, with the present and the recommended one among them. */
import type { CacheAdvice, CacheChoice } from "../../core/cache-advice.ts";
import { isSameChoice, isSameRedis } from "./words.ts";

export interface Setting {
  readonly choice: CacheChoice;
  readonly recommended: boolean;
  readonly now: boolean;
}

/** The smallest first, a cache without a limit last. */
export function comparedSettings(advice: CacheAdvice): readonly Setting[] {
  const { pareto, present, recommended } = advice;
  const settings: Setting[] = pareto.map((choice) => ({
    choice,
    recommended: isSameChoice(recommended, choice),
    now: isSameChoice(present, choice),
  }));
  for (const role of ["recommended", "now"] as const) {
    const choice = role === "now" ? present : recommended;
    if (choice === undefined || settings.some((each) => each[role])) continue;
    const same = settings.findIndex((each) => isSameChoice(choice, each.choice));
    // What differs by an L1 alone is one setting of Redis: the marked one stands for it.
    const near = settings.findIndex(
      (each) => isSameRedis(choice, each.choice) && !each.recommended && !each.now,
    );
    const at = same < 0 ? near : same;
    const before = settings[at];
    settings.splice(at < 0 ? settings.length : at, at < 0 ? 0 : 1, {
      choice: { ...before?.choice, ...choice },
      recommended: role === "recommended" || before?.recommended === true,
      now: role === "now" || before?.now === true,
    });
  }
  return settings.toSorted(
    (a, b) => sizeOf(a.choice) - sizeOf(b.choice) || a.choice.hitRate - b.choice.hitRate,
  );
}

function sizeOf({ maxmemoryBytes }: CacheChoice): number {
  return maxmemoryBytes === 0 ? Infinity : maxmemoryBytes;
}
