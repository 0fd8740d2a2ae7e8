/** Aggregate indexes: the order of its steps and what it says at the end; what it observes is tested in test/advise/aggregates. */
import { expect, test } from "vitest";
import { aggregateIndexes } from "../../src/tuners/aggregate-indexes.ts";
import { advice } from "../advice.ts";
import { aggregates } from "../aggregates.ts";
import { askOf, candidateOf, decided, reasonOf } from "./views.ts";

const next = (observation: typeof aggregates, more: Parameters<typeof askOf>[1] = {}) =>
  aggregateIndexes.next(askOf<unknown>(observation, { candidatesMax: 5, ...more }));

test("indexes, then statistics, then settings one by one", () => {
  const history = [];
  const tried = [];
  for (
    let step = next(aggregates);
    step.kind === "candidate";
    step = next(aggregates, { history })
  ) {
    tried.push(step.candidate);
    history.push(decided(step.candidate, "discard"));
  }
  expect(tried.map(({ changes }) => changes.map(({ kind }) => kind))).toEqual([
    ["create-index", "create-index"],
    ["create-index"],
    ["create-statistics"],
    ["set-knob"],
    ["set-knob"],
  ]);
  expect(tried[2]?.evidence.join("\n")).toMatch(
    /CREATE STATISTICS "public"\."perfopt_cars_make_model_stats" \(dependencies\) ON "make", "model" FROM "public"\."cars"[^]*not known before/,
  );
  expect(tried[3]?.changes).toEqual([
    { kind: "set-knob", knob: "sort-memory", from: 8 * 1024 ** 2, to: 32 * 1024 ** 2 },
  ]);
  expect(tried[4]?.changes).toEqual([
    { kind: "set-knob", knob: "compiling", from: true, to: false },
  ]);
  expect(new Set(tried.map(({ id }) => id)).size).toBe(tried.length);
});

test("statistics and settings have their turn before a third try at indexes", () => {
  const first = candidateOf(next(aggregates));
  const history = [decided(first, "keep")];
  const second = candidateOf(
    next(
      { ...aggregates, indexes: { ...advice, selected: advice.selected.slice(1) } },
      { history },
    ),
  );
  expect(second.changes.map(({ kind }) => kind)).toEqual(["create-index"]);
  history.push(decided(second, "keep"));
  const third = candidateOf(
    next(
      { ...aggregates, indexes: { ...advice, selected: advice.selected.slice(0, 1) } },
      { history },
    ),
  );
  expect(third.changes.map(({ kind }) => kind)).toEqual(["create-statistics"]);
});

test("nothing to gain: what was looked at, and why nothing is worth a trial", () => {
  const reason = reasonOf(
    next({
      ...aggregates,
      indexes: { ...advice, selected: [] },
      statistics: {
        proposed: [],
        remarks: [
          {
            statement: "1",
            detail: "Hash Join: 1 row expected and 900 rows came: the rows of a join",
          },
        ],
      },
      settings: {
        ideas: [],
        notWorth: ["work_mem: nothing that was executed went to disk with 8.00 MB"],
      },
    }),
  );
  expect(reason).toMatch(/no index is expected to pay/);
  expect(reason).toMatch(/no extended statistics would mend[^]*the rows of a join/);
  expect(reason).toMatch(/work_mem: nothing that was executed went to disk/);
  expect(reason).toMatch(/no knob has the role pg-random-page-cost or pg-effective-cache-size/);
  expect(reason).toMatch(/not executed: DELETE FROM cars: it is no query/);
  expect(reason).toMatch(
    /nothing applies by itself: a view of daily sums \(on a copy: 0\.100 of the time, 0\.0800 to 0\.120\)/,
  );
});

test("what the knob does not reach is said, not promised", () => {
  const [memory, ...others] = aggregates.knobs;
  if (!memory) throw new Error("no knob");
  const domain = { kind: "bytes" as const, min: 64 * 1024, max: 16 * 1024 ** 2 };
  const step = next({
    ...aggregates,
    indexes: { ...advice, selected: [] },
    statistics: { proposed: [], remarks: [] },
    knobs: [{ ...memory, knob: { ...memory.knob, domain } }, ...others],
  });
  const candidate = candidateOf(step);
  expect(candidate.changes).toMatchObject([{ to: 16 * 1024 ** 2 }]);
  expect(candidate.hypothesis).toMatch(/the knob ends at 16\.0 MB, which is tried/);
});

test("without candidates left it ends, and still says what was found", () => {
  const history = [decided(candidateOf(next(aggregates)), "discard")];
  expect(reasonOf(next(aggregates, { history, candidatesMax: 1 }))).toMatch(
    /used up.*statistics were proposed/,
  );
});
