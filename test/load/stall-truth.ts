// What the clients of the stall server waited, by the server's clock alone.
import type { LoadRequest } from "../../src/load/engine.ts";
import { seedOfPart } from "../../src/load/sending.ts";

const SEED_DIGITS = 7;

/**
 * Latencies from the due times, ascending, of constant arrivals whose path is one unique text. It tells a request's place in the
 * schedule; the fastest answer of all tells when the schedule began (later than it did by that request's way to the server: a truth
 * that is at most too small). So nothing that delays the generator or the server can make the two sides differ.
 */
export function truthOf(
  answers: readonly (readonly [path: string, at: number])[],
  { seed, workers = 1, requestsPerSecond, warmupMs }: LoadRequest,
  delayMs: number,
): number[] {
  const gapMs = 1_000 / requestsPerSecond;
  const parts = Array.from({ length: workers }, (_, index) => ({ index, of: workers }));
  const indexOfSeed = new Map(parts.map((part) => [seedOfPart(seed, part) >>> 0, part.index]));
  const sinceStart = answers.map(([path, at]) => {
    const text = path.slice(1);
    const part = indexOfSeed.get(Number.parseInt(text.slice(0, SEED_DIGITS), 36)) ?? Number.NaN;
    const dueMs = (part + workers * Number.parseInt(text.slice(SEED_DIGITS), 36)) * gapMs;
    return { dueMs, ms: at - dueMs };
  });
  const startedAt = Math.min(...sinceStart.map(({ ms }) => ms)) - delayMs;
  return sinceStart
    .filter(({ dueMs }) => dueMs >= warmupMs)
    .map(({ ms }) => ms - startedAt)
    .toSorted((a, b) => a - b);
}

export function rank(ascending: readonly number[], percentile: number): number {
  const position = Math.max(0, Math.ceil((ascending.length * percentile) / 100) - 1);
  return ascending[position] ?? Number.NaN;
}
