/** The search for the least memory that reaches a goal, between the sizes of a curve. */
import type { CacheChoice } from "../../core/cache-advice.ts";
import type { Setting } from "./choices.ts";

export interface SizeSearch {
  /** Ascending. */
  readonly sizes: readonly number[];
  /** Sizes are rounded up to a multiple of this. */
  readonly stepBytes: number;
  readonly maxBytes: number;
  /** Whether a choice is good enough. */
  readonly reaches: (choice: CacheChoice) => boolean;
  readonly choose: (setting: Setting) => CacheChoice;
}

/** Between two sizes of the curve, so many halvings: a curve of 24 sizes over three decades is then exact to about 2 %. */
const HALVINGS = 4;

/** Undefined when not even the largest allowed size is good enough. A hit rate that falls with memory somewhere costs memory, not correctness: what is returned was tried. */
export function smallestThat(
  search: SizeSearch,
  setting: Omit<Setting, "maxmemoryBytes">,
): CacheChoice | undefined {
  const tryBytes = (bytes: number): CacheChoice =>
    search.choose({ ...setting, maxmemoryBytes: stepped(bytes, search) });
  const sizes = [...search.sizes.filter((size) => size < search.maxBytes), search.maxBytes];
  let best: CacheChoice | undefined;
  let below = 0;
  // The curve is walked by halves too: each look is a simulation.
  let first = 0;
  let last = sizes.length - 1;
  while (first <= last) {
    const middle = (first + last) >> 1;
    const size = sizes[middle] ?? search.maxBytes;
    const choice = tryBytes(size);
    if (search.reaches(choice)) {
      best = choice;
      last = middle - 1;
    } else {
      below = size;
      first = middle + 1;
    }
  }
  for (let halving = 0; best && below > 0 && halving < HALVINGS; halving += 1) {
    const size = Math.sqrt(below * best.maxmemoryBytes);
    if (stepped(size, search) >= best.maxmemoryBytes) break;
    const choice = tryBytes(size);
    if (search.reaches(choice)) best = choice;
    else below = size;
  }
  return best;
}

function stepped(bytes: number, { stepBytes, maxBytes }: SizeSearch): number {
  return Math.min(maxBytes, Math.max(stepBytes, Math.ceil(bytes / stepBytes) * stepBytes));
}
