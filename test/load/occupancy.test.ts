import { expect, test } from "vitest";
import { occupancyMeter } from "../../src/load/occupancy.ts";

test("one request counts from its due time to its end", () => {
  const meter = occupancyMeter();
  meter.enter(100, 103);
  expect(meter.totalMs()).toBe(3);
  meter.leave(110, 110);
  expect(meter.totalMs()).toBe(10);
});

test("requests that overlap add up, in whatever order they end", () => {
  const meter = occupancyMeter();
  for (const dueAt of [0, 1, 2, 3]) meter.enter(dueAt, dueAt);
  // 0 to 7, 1 to 5, 2 to 9, 3 to 4: 7 + 4 + 7 + 1.
  for (const at of [4, 5, 7, 9]) meter.leave(at, at);
  expect(meter.totalMs()).toBe(19);
  meter.enter(1_000, 1_000);
  meter.leave(1_001, 1_001);
  expect(meter.totalMs()).toBe(20);
});

test("a request that was broken off counts until its time limit, as it is recorded", () => {
  const meter = occupancyMeter();
  meter.enter(0, 2);
  meter.enter(1, 2);
  meter.leave(3, 502);
  meter.leave(10, 10);
  expect(meter.totalMs()).toBe(502 + 9);
});
