/** A run with a phase under overload in the report: under which load each figure is, what was judged at the usual load, and where it was gone on with. */
import { beforeAll, describe, expect, test } from "vitest";
import type { Entry, RunEvent } from "../../src/core/event.ts";
import type { Persona } from "../../src/core/persona.ts";
import { optimize } from "../../src/optimize.ts";
import { renderReport } from "../../src/report/report.ts";
import { summarise } from "../../src/report/summary.ts";
import {
  BOUND,
  persona,
  runOn,
  setting,
  simulate,
  underOverload,
  usual,
} from "../optimize/overloaded.ts";
import { runStarted } from "./persona-fixture.ts";

const options = { journalFile: "run.jsonl", rollbackCommand: "npx perfopt rollback the-run" };

const limited: Persona = {
  ...persona,
  constraints: [
    { kind: "no-regression", metric: "api.latencyP99Ms", tolerance: 0.1 },
    { kind: "limit", metric: "api.errorRate", limit: 0.01 },
  ],
  strategies: [usual, underOverload, { ...usual, name: "third", title: "Third", tuner: "idle" }],
};

/** The dial is tried until its phase's time is used up, the bound is kept, and the dial's phase goes on. */
async function journalOf(p99Factor = 1): Promise<readonly Entry[]> {
  const simulator = simulate(3, { p99Factor });
  const who = { ...limited, budget: { ...limited.budget, candidatesMax: 20 } };
  const tuners = [
    setting(
      "dial",
      Array.from({ length: 16 }, (_, index) => 20 + index),
    ),
    setting("bound", [BOUND]),
    { ...setting("bound", []), id: "idle" },
  ];
  const { run } = runOn(simulator, 3, { persona: who, tuners, budgetMs: 16 * 60_000 });
  await optimize(run);
  const start = runStarted({
    persona: who,
    phases: run.plan.phases,
    baselineValues: { bound: 0, dial: 0 },
  });
  return [start, ...simulator.events].map((event, seq) => ({
    seq,
    at: new Date(seq * 1_000).toISOString(),
    event,
  }));
}

let entries: readonly Entry[];
let markdown: string;
let phase: string;

beforeAll(async () => {
  entries = await journalOf();
  ({ markdown } = renderReport(entries, options));
  const from = markdown.indexOf("Backpressure: 1 of 1 candidate kept");
  phase = markdown.slice(from, markdown.indexOf("\n### ", from));
});

function linesWhere(is: (event: RunEvent) => boolean): readonly number[] {
  return entries.filter(({ event }) => is(event)).map(({ seq }) => seq);
}

describe("the phase's section", () => {
  test("says under which load its windows were, and where the constraints were judged", () => {
    expect(phase).toContain(
      "2 times what the baseline completes in a closed loop: 1000 requests/s",
    );
    expect(phase).toContain("for 4 s after the warm-up");
    expect(phase).toContain("within 500 ms of being due");
    const seqs = linesWhere(
      (event) => event.type === "sampled" && event.block === "set-bound-1-usual",
    );
    expect(seqs).toHaveLength(10);
    expect(phase).toContain(`set-bound-1 in 5 pairs (journal ${seqs[0]}-${seqs.at(-1)})`);
    expect(phase).toContain("about the usual load, 200 requests/s, and");
  });

  test("labels the trial's metrics, and gives the constraints their own table", () => {
    expect(phase).toContain("Under overload, where nothing but the objective is judged:");
    expect(phase).toContain("Constraint API p99, at the usual load: holds");
    expect(phase).toMatch(/At the usual load, 5 complete pairs \(journal \d+-\d+\):/);
    expect(phase).toMatch(/\| API p99 \| 1\d\d ms \| 1\d\d ms \| 5 \| holds \|/);
    expect(phase).toContain("Every pair at the usual load, 0 invalid windows");
  });

  test("other phases say nothing of it", () => {
    const others = markdown.replace(phase, "");
    expect(others).not.toContain("Under overload, where");
    expect(others).not.toContain("At the usual load,");
  });

  test("a candidate that breaks a constraint there is shown with it", async () => {
    const report = renderReport(await journalOf(1.6), options).markdown;
    expect(report).toContain("Constraint API p99, at the usual load: **broken**");
    expect(report).toMatch(/\| API p99 \| 1\d\d ms \| 2\d\d ms \| 5 \| \*\*broken\*\* \|/);
    expect(report).not.toContain("**Kept under overload**");
  });
});

test("the first section names what was kept for overload, with interval and pairs", () => {
  const first = markdown.slice(0, markdown.indexOf("\n## 2"));
  expect(first).toMatch(
    /\*\*Kept under overload\*\*.*good answers in time, of all requests 10\.\d % -> 4\d\.\d % at 2 times .*points \(\d.* % interval .*; \d+ pairs;.*journal \d+-\d+/,
  );
});

test("a phase that was gone on with says when, and why it had ended first", () => {
  const [first, second] = linesWhere(
    (event) => event.type === "phase-started" && event.phase === "usual",
  );
  expect(second).toBeGreaterThan(first ?? Infinity);
  expect(markdown).toMatch(
    new RegExp(
      `It ended because: The time left in this phase does not pay.*\\*\\*Gone on with\\*\\*, in the time that the other phases left \\(journal ${second}, \\d+\\)\\. It ended because: `,
    ),
  );
});

test("its limits do not claim one rate", () => {
  expect(markdown).toContain(
    "All windows run at one rate, 200 requests/s, but for those of the phase under overload: Backpressure (1000 requests/s).",
  );
});

test("the time line leaves windows under another load out, and says so", () => {
  const { charts } = renderReport(entries, options);
  const svg = charts.find(({ file }) => file === "timeline.svg")?.svg ?? "";
  expect(svg).toContain("at the usual load, in time");
  // The phase that was gone on with is two stages, so that the others keep their own.
  expect(svg.replaceAll(/<[^>]*>|\s+/g, " ")).toMatch(
    /2 Usual, 3 Backpressure, 4 Third, +5 Usual, +again/,
  );
  const others = linesWhere(
    (event) =>
      ((event.type === "observed" || event.type === "probed") && event.phase === "backpressure") ||
      (event.type === "sampled" && event.block === "set-bound-1"),
  );
  expect(svg.replaceAll(/\s+/g, " ")).toContain(`Not drawn: ${others.length} windows`);
});

function isUsual({ event }: Entry): boolean {
  return event.type === "sampled" && event.block === "set-bound-1-usual";
}

describe("the report's own check", () => {
  test("covers the constraints at the usual load", () => {
    const { recheck } = summarise(entries);
    expect(recheck.constraints).toBe(2);
    expect(recheck.disagreements).toEqual([]);
    expect(markdown).toContain("and what is said of 2 constraints at the usual load,");
  });

  test("sees a limit that its windows do not hold, and windows that are gone", () => {
    const failing = entries.map((entry) => {
      const { event } = entry;
      if (event.type !== "sampled" || !isUsual(entry) || event.role !== "candidate") return entry;
      const metrics = { ...event.sample.metrics, "api.errorRate": 0.2 };
      return { ...entry, event: { ...event, sample: { ...event.sample, metrics } } };
    });
    expect(summarise(failing).recheck.disagreements).toEqual([
      "set-bound-1 at the usual load, error rate: what is said of the limit is not what the medians say",
    ]);
    const first = entries.findIndex(isUsual);
    const gone = entries.filter((entry, index) => !isUsual(entry) || index === first);
    expect(summarise(gone).recheck.disagreements).toHaveLength(2);
  });
});

test("nothing in it is broken, and every cited line exists", () => {
  const { charts } = renderReport(entries, options);
  for (const text of [markdown, ...charts.map(({ svg }) => svg)])
    expect(text).not.toMatch(/\bNaN\b|\bundefined\b|Infinity|\[object|\bnull\b/);
  const known = new Set(entries.map(({ seq }) => seq));
  for (const [, ranges = ""] of markdown.matchAll(/(?<!`)journal ((?:\d+(?:-\d+)?(?:, )?)+)/g))
    for (const number of ranges.matchAll(/\d+/g)) expect(known).toContain(Number(number[0]));
});
