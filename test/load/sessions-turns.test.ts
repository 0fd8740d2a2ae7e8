import { expect, test } from "vitest";
import { openTurns } from "../../src/load/sessions-turns.ts";
import { completed, stageOf } from "./stage.ts";

test("what comes up while the pacer rests is launched in order, without waiting for its next look", async () => {
  const { stage } = stageOf(completed({ warmupMs: 0, windowMs: 200 }));
  const { at, pacer } = openTurns(stage, Infinity);
  const order: string[] = [];
  at(stage.startAt + 190, () => order.push("last"));
  // By then the pacer sleeps, and would look again after the timer below.
  setTimeout(() => {
    const now = performance.now();
    setTimeout(() => order.push("timer"), 30);
    at(now + 10, () => order.push("second"));
    at(now + 5, () => order.push("first"));
  }, 20);
  await pacer.finished;
  expect(order).toEqual(["first", "second", "timer", "last"]);
});

test("nothing is launched after the window's end, and the pacer ends when nothing can come any more", async () => {
  const { stage } = stageOf(completed({ warmupMs: 0, windowMs: 60_000 }));
  const { at, pacer } = openTurns(stage, Infinity);
  const launched: string[] = [];
  at(stage.startAt + 10, () => {
    launched.push("in the window");
    at(stage.windowEndsAt + 1, () => launched.push("after it"));
  });
  await pacer.finished;
  expect(launched).toEqual(["in the window"]);
});

test("an error in what is launched ends the window with it", async () => {
  const { stage } = stageOf(completed({}));
  const { at, pacer } = openTurns(stage, Infinity);
  at(stage.startAt, () => {
    throw new Error("broken");
  });
  await expect(pacer.finished).rejects.toThrow("broken");
});
