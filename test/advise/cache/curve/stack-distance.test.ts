import { array, assert, integer, property, record } from "../../../properties.ts";
import { expect, test } from "vitest";
import { createStackDistances } from "../../../../src/advise/cache/curve/stack-distance.ts";

/** The most recent first. */
function naive() {
  const entries: { id: number; bytes: number }[] = [];
  const take = (id: number): number => {
    const at = entries.findIndex((entry) => entry.id === id);
    const since = entries.slice(0, Math.max(0, at)).reduce((sum, { bytes }) => sum + bytes, 0);
    if (at >= 0) entries.splice(at, 1);
    return at < 0 ? -1 : since;
  };
  return {
    access(id: number, bytes: number) {
      const distance = take(id);
      entries.unshift({ id, bytes });
      return distance;
    },
    remove: (id: number) => void take(id),
  };
}

test("bytes of the distinct others since, whatever is resized and removed", () => {
  const step = record({
    id: integer({ min: 0, max: 30 }),
    bytes: integer({ min: 0, max: 1000 }),
    remove: integer({ min: 0, max: 5 }),
  });
  assert(
    property(
      array(step, { maxLength: 300, size: "max" }),
      integer({ min: 1, max: 70 }),
      (steps, places) => {
        const [fast, slow] = [createStackDistances(places), naive()];
        for (const { id, bytes, remove } of steps) {
          if (remove === 0) {
            fast.remove(id);
            slow.remove(id);
          } else expect(fast.access(id, bytes)).toBe(slow.access(id, bytes));
        }
      },
    ),
    { numRuns: 150 },
  );
});

test.each([1, 2, 3, 7, 8, 9, 15, 16, 17])(
  "a key that is touched as the axis of %s places is renumbered",
  (places) => {
    const [fast, slow] = [createStackDistances(places), naive()];
    for (let round = 0; round < 40; round += 1) {
      for (const id of [0, round % 5, 1, 1, round % 11]) {
        expect(fast.access(id, 10 + id)).toBe(slow.access(id, 10 + id));
      }
    }
  },
);

test("ids beyond all that came before", () => {
  const distances = createStackDistances(2);
  expect(distances.access(1_000_000, 5)).toBe(-1);
  expect(distances.access(3, 7)).toBe(-1);
  distances.remove(2_000_000);
  expect(distances.access(1_000_000, 5)).toBe(7);
});
