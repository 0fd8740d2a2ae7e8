/** Index advisor: the steps it takes from an advice; the advice itself is tested in test/advise. */
import { expect, test } from "vitest";
import type { IndexAdvice } from "../../src/core/advice.ts";
import { indexAdvisor } from "../../src/tuners/index-advisor.ts";
import { advice, selectedIndex } from "../advice.ts";
import { askOf, candidateOf, decided, reasonOf } from "./views.ts";

test("first the whole set, with what gains, its size and its writes", () => {
  const { changes, hypothesis, evidence } = candidateOf(indexAdvisor.next(askOf(advice)));
  expect(changes).toEqual(
    advice.selected.map((each) => ({ kind: "create-index", index: each.index })),
  );
  expect(hypothesis).toMatch(/indexes on orders \(customer_id\), orders \(status\) take 60\.0 %/);
  expect(evidence.join("\n")).toMatch(
    /orders \(customer_id\): 2\.00 MB \(estimated\), read by 70 statements of the window and kept up to date for 12 written rows, 3 no longer in place; customer_id is looked up/,
  );
  expect(evidence.join("\n")).toMatch(/cost 900 to 9\.00 for 70 calls of: SELECT/);
  expect(evidence.join("\n")).toMatch(/reported only: invalid wreck on public\.orders/);
});

test.each(["discard", "inconclusive"] as const)(
  "%s: then the best index alone, then the end",
  (verdict) => {
    const set = candidateOf(indexAdvisor.next(askOf(advice)));
    const history = [decided(set, verdict)];
    const single = candidateOf(indexAdvisor.next(askOf(advice, { history })));
    expect(single.changes).toEqual([{ kind: "create-index", index: advice.selected[0]!.index }]);
    expect(single.id).not.toBe(set.id);
    const step = indexAdvisor.next(
      askOf(advice, { history: [...history, decided(single, verdict)] }),
    );
    expect(reasonOf(step)).toBe("the whole set and the best index alone were tried");
  },
);

test("a set of one is not tried twice", () => {
  const one = { ...advice, selected: advice.selected.slice(0, 1) };
  const history = [decided(candidateOf(indexAdvisor.next(askOf(one))), "discard")];
  expect(indexAdvisor.next(askOf(one, { history })).kind).toBe("done");
});

test("after a keep, what the new observation finds is next, or the end", () => {
  const history = [decided(candidateOf(indexAdvisor.next(askOf(advice))), "keep")];
  const further = { ...advice, selected: [selectedIndex(["region"], 0.1)] };
  expect(candidateOf(indexAdvisor.next(askOf(further, { history }))).hypothesis).toMatch(/region/);
  expect(reasonOf(indexAdvisor.next(askOf({ ...advice, selected: [] }, { history })))).toMatch(
    /no further one/,
  );
});

test.each<[what: string, advice: IndexAdvice, reason: RegExp]>([
  [
    "nothing to build, and why",
    { ...advice, selected: [] },
    /no index is expected to pay: .*orders \(note\): no plan uses it/,
  ],
  [
    "too little to gain",
    { ...advice, totals: { ...advice.totals, relativeCost: 0.98 } },
    /2\.0 % of the statements' time, less than 3\.0 %/,
  ],
  [
    "no statements at all",
    { ...advice, selected: [], workload: { ...advice.workload, statements: 0, totalMs: 0 } },
    /no index is expected to pay/,
  ],
  [
    "nothing could be costed",
    { ...advice, skipped: "PostgreSQL 15 cannot plan" },
    /PostgreSQL 15 cannot plan/,
  ],
])("the end: %s", (_, each, reason) => {
  expect(reasonOf(indexAdvisor.next(askOf(each)))).toMatch(reason);
});
