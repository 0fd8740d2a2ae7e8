import { expect, test } from "vitest";
import { startPacer } from "../../src/load/pacer.ts";

test("every due time is launched in order, once, and never early", async () => {
  const dueMs = Float64Array.from({ length: 300 }, (_, index) => index * 0.7);
  const startAt = performance.now() + 5;
  const launched: { index: number; early: boolean }[] = [];
  await startPacer(
    startAt,
    dueMs,
    (index, dueAt) => {
      expect(dueAt).toBe(startAt + dueMs[index]!);
      launched.push({ index, early: performance.now() < dueAt });
    },
    () => undefined,
  ).finished;
  expect(launched).toEqual(Array.from(dueMs, (_, index) => ({ index, early: false })));
});

test("the thread never rests between a launch and the work that the launch has queued", async () => {
  const dueMs = Float64Array.from({ length: 100 }, (_, index) => index);
  const rests: number[] = [];
  const pacer = startPacer(
    performance.now() + 5,
    dueMs,
    () => {
      const before = pacer.restedMs();
      queueMicrotask(() => rests.push(pacer.restedMs() - before));
    },
    () => undefined,
  );
  await pacer.finished;
  expect(rests).toEqual(Array.from({ length: 100 }, () => 0));
  expect(pacer.restedMs()).toBeGreaterThan(0);
});

test("time limits are looked at while the next due time is far away", async () => {
  let ticks = 0;
  await startPacer(
    performance.now(),
    Float64Array.of(0, 400),
    () => undefined,
    () => {
      ticks += 1;
    },
  ).finished;
  expect(ticks).toBeGreaterThan(4);
});

test("what a launch throws ends the window", async () => {
  const pacer = startPacer(
    performance.now(),
    Float64Array.of(0, 1),
    () => {
      throw new Error("cannot send");
    },
    () => undefined,
  );
  await expect(pacer.finished).rejects.toThrow("cannot send");
});
