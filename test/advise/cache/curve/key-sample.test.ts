import { describe, expect, test } from "vitest";
import { createKeySample } from "../../../../src/advise/cache/curve/key-sample.ts";

const KEYS = 20_000;

function sampleOf(keysMax: number, salt: number) {
  const left: number[] = [];
  const sample = createKeySample(KEYS, keysMax, salt, (slot) => left.push(slot));
  for (let key = 0; key < KEYS; key += 1) sample.slotOf(key);
  const slots = Array.from({ length: KEYS }, (_, key) => sample.slotOf(key));
  const kept = slots.flatMap((slot, key) => (slot >= 0 ? [key] : []));
  return { sample, left, slots, kept };
}

describe("a sample of keys", () => {
  test("holds all keys while there is room for them", () => {
    const { kept, left, sample } = sampleOf(KEYS, 1);
    expect(kept.length).toBe(KEYS);
    expect(left).toEqual([]);
    expect(sample.rate()).toBe(1);
  });

  test("holds so many of them, each in a place of its own, at the rate that it says", () => {
    const { kept, slots, sample, left } = sampleOf(1000, 1);
    expect(kept.length).toBe(1000);
    expect(new Set(slots.filter((slot) => slot >= 0)).size).toBe(1000);
    expect(Math.max(...slots)).toBe(999);
    expect(left.length).toBeGreaterThan(1000);
    expect(sample.rate()).toBeGreaterThan(0.045);
    expect(sample.rate()).toBeLessThan(0.055);
  });

  test("does not depend on the order of the keys", () => {
    const { kept } = sampleOf(1000, 7);
    const sample = createKeySample(KEYS, 1000, 7, () => undefined);
    for (let key = KEYS - 1; key >= 0; key -= 1) sample.slotOf(key);
    for (let key = 0; key < KEYS; key += 3) sample.slotOf(key);
    expect(kept.filter((key) => sample.slotOf(key) < 0)).toEqual([]);
  });

  test("of another salt has other keys, in common only what chance gives", () => {
    const samples = [0, 1, 2, 3, 4].map((salt) => new Set(sampleOf(2000, salt).kept));
    for (const [a, one] of samples.entries()) {
      for (const other of samples.slice(a + 1)) {
        const common = [...one].filter((key) => other.has(key)).length;
        // 200 expected, with a standard deviation of about 13.
        expect(common).toBeGreaterThan(140);
        expect(common).toBeLessThan(260);
      }
    }
  });
});
