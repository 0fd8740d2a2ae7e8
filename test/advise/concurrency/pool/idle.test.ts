/** Idle connections: what a pool's connections go through under known arrivals. */
import { expect, test } from "vitest";
import { adviseIdle, type IdleQuestion } from "../../../../src/advise/concurrency/pool/idle.ts";

function ask(arrivalsMs: readonly number[], question: Partial<IdleQuestion> = {}) {
  return adviseIdle({
    arrivalsMs,
    observedMs: 600_000,
    holdMs: 100,
    poolMax: 10,
    reconnectsPerMinuteMax: 0,
    ...question,
  });
}

/** Bursts of so many at once, every `everyMs`. */
function bursts(size: number, everyMs: number, count: number): readonly number[] {
  return Array.from({ length: count }, (_, index) => Math.floor(index / size) * everyMs);
}

test("steady arrivals keep one connection busy: any timeout above their gap closes nothing", () => {
  const idle = ask(Array.from({ length: 600 }, (_, index) => index * 1_000));
  expect(idle).toMatchObject({ idleTimeoutMs: 1_000, reconnectsPerMinute: 0, minConnections: 1 });
});

test("bursts need as many connections as they have, kept for as long as the bursts are apart", () => {
  const idle = ask(bursts(5, 20_000, 150));
  expect(idle).toMatchObject({ idleTimeoutMs: 20_000, minConnections: 5, reconnectsPerMinute: 0 });
});

test("a pool that is full makes bursts wait, and has no more connections than it may", () => {
  expect(ask(bursts(20, 20_000, 600), { poolMax: 4 })).toMatchObject({ minConnections: 4 });
});

test("some reconnects allow a shorter timeout", () => {
  // One gap of 30 s in every ten of 2 s.
  const arrivals = Array.from(
    { length: 100 },
    (_, index) => index * 2_000 + Math.floor(index / 10) * 28_000,
  );
  const none = ask(arrivals, { observedMs: 480_000 });
  const some = ask(arrivals, { observedMs: 480_000, reconnectsPerMinuteMax: 2 });
  expect(none?.idleTimeoutMs).toBe(30_000);
  expect(some?.idleTimeoutMs).toBeLessThanOrEqual(2_000);
  expect(some?.reconnectsPerMinute).toBeLessThanOrEqual(2);
});

test("says what the present timeout does, and what a short look cannot see", () => {
  const words = ask(bursts(2, 20_000, 60), { presentTimeoutMs: 10_000 })?.words.join("\n");
  expect(words).toMatch(
    /present idle timeout of 10\.0 s would have closed 5\.80 connections a minute/,
  );
  expect(words).toMatch(/pauses longer than 10 min.*cannot be seen/);
});

test("of no arrivals, or one alone, nothing is made up", () => {
  expect(ask([])).toBeUndefined();
  const one = ask([5]);
  expect(one?.idleTimeoutMs).toBeUndefined();
  expect(one?.words[0]).toMatch(/no connection was used twice/);
});
