// What is told of an import's writes: all of it, one message at a time, each scope once in each.

import { expect, test } from "vitest";
import { createTeller } from "../../../src/registry/bulk/write.ts";

test("while a slow cache is told, what comes is gathered, and the end waits for all of it", async () => {
  const told: (readonly string[])[] = [];
  const answers: (() => void)[] = [];
  const teller = createTeller({
    invalidate(scopes) {
      told.push(scopes);
      return new Promise((resolve) => {
        answers.push(resolve);
      });
    },
  });
  const scopes = Array.from({ length: 1_000 }, (_, index) => `run=${index}`);
  // As many as are told at once, whatever the time is.
  teller.add(scopes);
  for (let batch = 0; batch < 50; batch += 1) teller.add([...scopes, `of=${batch}`]);
  expect(told).toEqual([scopes]);
  let isFlushed = false;
  const flushed = teller.flush().finally(() => {
    isFlushed = true;
  });
  for (let message = 0; message < 3; message += 1) {
    expect([told.length, isFlushed]).toEqual([message + 1, false]);
    answers[message]?.();
    await new Promise(setImmediate);
  }
  await flushed;
  expect(told.length).toBe(3);
  expect(new Set(told.slice(1).flat()).size).toBe(1_050);
  expect(told.slice(1).flat()).toHaveLength(1_050);
});
