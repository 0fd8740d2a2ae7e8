/** How a sweep spends its budget, and when it gives up. */
import { describe, expect, test } from "vitest";
import { planSweep, runSweep, type SweepWish } from "../../src/cli/pool-sweep.ts";
import { PerfoptError } from "../../src/core/errors.ts";

const wish: SweepWish = {
  least: 1,
  most: 64,
  wanted: [10, 5],
  sizes: undefined,
  eachMs: 10_000,
  budgetMs: 240_000,
  startUpMs: 10_000,
  begun: false,
  seed: 1,
};

describe("a plan", () => {
  test("takes fewer sizes for less budget, each twice as far as it goes", () => {
    for (const budgetMs of [240_000, 150_000, 90_000]) {
      const { sizes, rounds } = planSweep({ ...wish, budgetMs });
      expect(sizes.length).toBeGreaterThanOrEqual(4);
      expect(rounds).toBeGreaterThanOrEqual(2);
      expect(sizes.length * rounds * wish.eachMs + wish.startUpMs).toBeLessThanOrEqual(budgetMs);
    }
  });

  test.each([[undefined], [[1, 2, 4, 8, 16]]])(
    "has enough of the budget that its hint names: %s",
    (sizes) => {
      const hint = refusal({ ...wish, sizes, budgetMs: 20_000 });
      const seconds = Number(/--budget (\d+)s/.exec(hint)?.[1]);
      expect(planSweep({ ...wish, sizes, budgetMs: seconds * 1_000 }).rounds).toBe(1);
      // The start took longer than it was thought to.
      const late = { ...wish, sizes, budgetMs: seconds * 1_000, startUpMs: 17_000, begun: true };
      expect(planSweep(late).rounds).toBe(1);
    },
  );
});

const nothing = () => undefined;

test("other work on the machine from the first to the third measurement ends it, and the hint names --busy-machine", async () => {
  let measured = 0;
  const measure = (size: number) => {
    measured += 1;
    return Promise.resolve({
      size,
      throughput: 5,
      from: "",
      invalidBecause: ["others worked"],
      machineBusy: true,
    });
  };
  const progress = { say: nothing, print: nothing, show: nothing, stop: nothing };
  const options = {
    progress,
    signal: new AbortController().signal,
    of: "connections",
    one: "connection",
  };
  await expect(runSweep(planSweep(wish), measure, options)).rejects.toMatchObject({
    message: expect.stringContaining("others worked"),
    hint: expect.stringContaining("--busy-machine"),
  });
  expect(measured).toBe(3);
});

function refusal(asked: SweepWish): string {
  try {
    planSweep(asked);
  } catch (error) {
    if (error instanceof PerfoptError) return error.hint;
  }
  return "not refused";
}

/** Only pools of that size and larger answer. */
const answering = (least: number) => (size: number) =>
  Promise.resolve({ size, throughput: size < least ? 0 : 50, from: "" });

test("a service that answers at no size ends it; small pools that wait for themselves do not", async () => {
  const progress = { say: nothing, print: nothing, show: nothing, stop: nothing };
  const options = {
    progress,
    signal: new AbortController().signal,
    of: "connections",
    one: "connection",
  };
  const plan = planSweep({ ...wish, sizes: [1, 2, 4, 8, 16] });
  await expect(runSweep(plan, answering(17), options)).rejects.toThrow(
    /no request succeeded with [^]*16: nothing was answered/,
  );
  const all = plan.sizes.length * plan.rounds;
  for (const seed of [1, 2, 3, 4]) {
    expect(await runSweep({ ...plan, seed }, answering(16), options)).toHaveLength(all);
  }
});
