// Which of several workers a request goes to: round robin, least connections, or the better of two drawn at random.

import type { Balancing } from "./config.ts";

export type Candidate = {
  /** Requests under way there. */
  readonly inflight: number;
  /** Share that it should get, in (0, 1]; below 1 while it warms up. */
  readonly weight: number;
};

/** Undefined only when there is no candidate. */
export type Balance<T extends Candidate> = (candidates: readonly T[]) => T | undefined;

/** `fraction` gives numbers in [0, 1); only two-choices draws them. */
export function createBalance<T extends Candidate>(
  balancing: Balancing,
  fraction: () => number,
): Balance<T> {
  const rotate = createRotation<T>();
  switch (balancing) {
    case "round-robin":
      return rotate;
    case "least-connections":
      // Whoever is tied takes turns: at low load everyone is, and the first would get everything.
      return (candidates) => rotate(leastLoaded(candidates));
    case "two-choices":
      return (candidates) => betterOfTwo(candidates, fraction);
  }
}

/** Smooth weighted round robin, as nginx does it: each turn everyone earns his weight, and who is served pays what all earned. */
function createRotation<T extends Candidate>(): Balance<T> {
  const credits = new WeakMap<T, number>();
  return (candidates) => {
    if (candidates.length === 1) return candidates[0];
    let earned = 0;
    let best: T | undefined;
    let bestCredit = Number.NEGATIVE_INFINITY;
    for (const candidate of candidates) {
      const credit = (credits.get(candidate) ?? 0) + candidate.weight;
      credits.set(candidate, credit);
      earned += candidate.weight;
      if (credit > bestCredit) [best, bestCredit] = [candidate, credit];
    }
    if (best !== undefined) credits.set(best, bestCredit - earned);
    return best;
  };
}

/** Who is idle is equal, whatever its weight; else it would get nothing at low load until it has warmed up (HAProxy's rule). */
function loadOf({ inflight, weight }: Candidate): number {
  return inflight === 0 ? 0 : (inflight + 1) / weight;
}

function leastLoaded<T extends Candidate>(candidates: readonly T[]): readonly T[] {
  let least = Number.POSITIVE_INFINITY;
  let tied: T[] = [];
  for (const candidate of candidates) {
    const load = loadOf(candidate);
    if (load > least) continue;
    if (load < least) tied = [];
    least = load;
    tied.push(candidate);
  }
  return tied;
}

/** The power of two choices (Mitzenmacher 2001): nearly as even as looking at all, and no herd runs to the one that looks best. */
function betterOfTwo<T extends Candidate>(
  candidates: readonly T[],
  fraction: () => number,
): T | undefined {
  const first = draw(candidates, fraction);
  const second = draw(
    candidates.filter((candidate) => candidate !== first),
    fraction,
  );
  if (first === undefined || second === undefined) return first;
  return loadOf(second) < loadOf(first) ? second : first;
}

function draw<T extends Candidate>(
  candidates: readonly T[],
  fraction: () => number,
): T | undefined {
  const total = candidates.reduce((sum, { weight }) => sum + weight, 0);
  let left = fraction() * total;
  for (const candidate of candidates) {
    left -= candidate.weight;
    if (left < 0) return candidate;
  }
  return candidates.at(-1);
}
