/** The requests of tasks: the same for the same seed, whatever else is done, and never with a unique text that another request has. */
import { parse } from "csv-parse/sync";
import { expect, test } from "vitest";
import type { Parameter, Scalar, TaskTemplate } from "../../src/core/workload.ts";
import { sessionStream, streamOf, taskStream } from "../../src/load/draw.ts";
import { seedOfPart } from "../../src/load/sending.ts";
import { chosenTasks, taskRequests } from "../../src/load/task-requests.ts";
import * as fc from "../properties.ts";
import { template, uniqueId, workloadOf } from "./servers.ts";

function lineTask(name: string, lines: NonNullable<TaskTemplate["lines"]>): TaskTemplate {
  return {
    name,
    kind: "ingest",
    request: template({ name, method: "POST", path: "/import" }),
    lines,
    records: lines.count,
    perWindow: 1,
    timeoutMs: 1_000,
  };
}

function bodyOf(pieces: readonly Buffer[] | undefined): string {
  return Buffer.concat([...(pieces ?? [])]).toString();
}

test("the same seed gives the same bodies, whichever tasks are done, and another seed others", () => {
  const item = { id: "${id}", no: "${index}" };
  const tasks = ["a", "b"].map((name) => lineTask(name, { format: "ndjson", count: 20, item }));
  const workload = { ...workloadOf([template()], [uniqueId]), tasks };
  const bodiesOf = (asked: readonly string[], seed: number) =>
    chosenTasks(workload, asked).map((task) => {
      const next = taskRequests(workload, task, {}, seed);
      return [bodyOf(next().body), bodyOf(next().body)];
    });
  const [both, alone] = [bodiesOf(["a", "b"], 5), bodiesOf(["b"], 5)];
  expect(bodiesOf(["b", "a"], 5)).toEqual(both);
  expect(alone[0]).toEqual(both[1]);
  expect(new Set([...both, ...bodiesOf(["a", "b"], 6)].flat()).size).toBe(8);
});

test("no unique text of a task is one of a request, a session, another task or another seed", () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.integer({ min: 0, max: 2 ** 31 - 1 }), { minLength: 2, maxLength: 4 }),
      (seeds) => {
        const streams = seeds.flatMap((seed) => [
          ...[0, 1, 2].map((index) => streamOf(seedOfPart(seed, { index, of: 3 }))),
          ...[0, 1, 35, 36].map((session) => sessionStream(seed, session)),
          ...[0, 1, 9, 10, 36, 99].map((task) => taskStream(seed, task)),
        ]);
        const texts = streams.flatMap((stream) =>
          Array.from({ length: 40 }, () => stream.uniqueText("run-")),
        );
        expect(new Set(texts).size).toBe(texts.length);
      },
    ),
  );
});

test("CSV says what was drawn, whatever is in it", () => {
  const scalar = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.constantFrom('"', ",", "\n", "\r\n", 'a "b", c'),
    fc.integer(),
    fc.boolean(),
    fc.constant(null),
  );
  fc.assert(
    fc.property(
      fc.array(scalar, { minLength: 1, maxLength: 5 }),
      fc.constantFrom("plain", 'with "quotes", commas'),
      (values: readonly Scalar[], key) => {
        const drawn: Parameter = {
          name: "drawn",
          source: { kind: "values", rows: values.map((value) => ({ value })) },
          distribution: { kind: "uniform" },
        };
        const item = { [key]: "${drawn}", mixed: "<${drawn}>", fixed: 3, no: "${index}" };
        const workload = {
          ...workloadOf([template()], [drawn]),
          tasks: [lineTask("csv", { format: "csv", count: 6, item })],
        };
        const [task] = workload.tasks;
        if (!task) throw new Error("there is one");
        const body = bodyOf(taskRequests(workload, task, {}, 1)().body);
        const [head, ...rows]: string[][] = parse(body, { relax_column_count: false, bom: false });
        expect(head).toEqual([key, "mixed", "fixed", "no"]);
        const texts = values.map((value) => (value === null ? "" : String(value)));
        expect(rows).toHaveLength(6);
        rows.forEach(([first = "", mixed, fixed, no], index) => {
          expect(texts).toContain(first);
          expect([mixed, fixed, no]).toEqual([`<${first}>`, "3", String(index)]);
        });
      },
    ),
    { numRuns: 50 },
  );
});
