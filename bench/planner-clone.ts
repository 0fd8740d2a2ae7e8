/** The planner clone against the real thing: the same queries with indexes really built, on the clone, and by HypoPG. */
import { rm } from "node:fs/promises";
import { median, quantile } from "simple-statistics";
import { openClone } from "../src/advise/indexes/clone/open.ts";
import { openHypopg } from "../src/advise/indexes/clone/hypopg.ts";
import type { WhatIf } from "../src/advise/indexes/what-if.ts";
import { openPlannerServer } from "../src/target/planner-server.ts";
import { priceReal, priceWhatIf, type Priced, type Real } from "./planner-clone/compare.ts";
import { pricedQueries, type PricedQuery } from "./planner-clone/queries.ts";
import { openSource, temporaryHome, type Source } from "./planner-clone/sources.ts";
import { peerPrices } from "./planner-clone/peers.ts";
import type { Acceptance, BenchOptions, BenchResult } from "./run.ts";

const MAJORS = [18, 15] as const;
const REPETITIONS = 5;

export async function run({ tiny, dataDir }: BenchOptions): Promise<BenchResult> {
  const home = await temporaryHome();
  const signal = new AbortController().signal;
  try {
    const measured: Measured[] = [];
    for (const major of tiny ? [18] : MAJORS) {
      const source = await openSource(major, tiny ? "small" : "medium", home, signal);
      try {
        measured.push(...(await measure(source, home, tiny ? 1 : REPETITIONS)));
      } finally {
        await source.stop();
      }
    }
    const peers = tiny ? [] : await peerPrices(home, dataDir);
    return {
      title:
        `planner clone: ${pricedQueries.length} queries on the bundled registry (${tiny ? "small" : "medium"} scale),` +
        " with their indexes really built and with hypothetical ones; errors are of the whole plan's cost",
      head: ["query", ...measured.map(({ name }) => name)],
      rows: pricedQueries.map((query, index) => [
        query.id,
        ...measured.map((each) => cellOf(each, index)),
      ]),
      acceptance: [...measured.flatMap((each) => acceptanceOf(each, tiny)), ...peers],
    };
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}

interface Measured {
  readonly name: string;
  readonly kind: "clone" | "hypopg" | "absent";
  readonly pairs: readonly Pair[];
}

interface Pair {
  readonly query: PricedQuery;
  readonly real: Real;
  readonly priced: Priced | string;
}

async function measure(source: Source, home: string, repetitions: number): Promise<Measured[]> {
  const snapshot = await source.snapshot();
  const reals: Real[] = [];
  for (const query of pricedQueries) reals.push(await priceReal(source, query));
  const pairsBy = async (whatIf: WhatIf): Promise<readonly Pair[]> => {
    const pairs: Pair[] = [];
    for (const [index, query] of pricedQueries.entries()) {
      const real = reals[index];
      if (real === undefined) continue;
      pairs.push({ query, real, priced: await priceWhatIf(whatIf, query, repetitions) });
    }
    return pairs;
  };
  const measured: Measured[] = [];
  const server = await openPlannerServer({
    home,
    major: source.major,
    signal: new AbortController().signal,
    environment: process.env,
  });
  try {
    const clone = await openClone(server, snapshot);
    for (const caveat of clone.caveats) process.stderr.write(`clone ${source.major}: ${caveat}\n`);
    measured.push({ name: `clone ${source.major}`, kind: "clone", pairs: await pairsBy(clone) });
    await clone.close();
  } finally {
    await server.close();
  }
  if (source.major !== 15) return measured;
  const name = `HypoPG ${source.major}`;
  if (!source.hypopg)
    return [...measured, { name: `${name}: not installed`, kind: "absent", pairs: [] }];
  const hypopg = await openHypopg(source.connection, {
    serverVersion: snapshot.serverVersion,
    partial: true,
  });
  return [...measured, { name, kind: "hypopg", pairs: await pairsBy(hypopg) }];
}

function cellOf({ pairs }: Measured, index: number): string {
  const pair = pairs[index];
  if (pair === undefined) return "";
  if (typeof pair.priced === "string") return pair.priced;
  const errors = `cost ${percent(costError(pair))}, size ${pair.real.bytes
    .map((bytes, place) => percent(sizeError(pair, place, bytes)))
    .join(" ")}`;
  return sameShape(pair) ? errors : `${errors}, another plan`;
}

function costError({ real, priced }: Pair): number {
  return typeof priced === "string" ? Number.NaN : priced.cost / real.cost - 1;
}

function sizeError({ priced }: Pair, place: number, bytes: number): number {
  return typeof priced === "string" ? Number.NaN : (priced.bytes[place] ?? Number.NaN) / bytes - 1;
}

function sameShape({ real, priced }: Pair): boolean {
  return typeof priced !== "string" && priced.shape === real.shape;
}

function percent(share: number): string {
  return `${share >= 0 ? "+" : ""}${(share * 100).toFixed(2)} %`;
}

function acceptanceOf({ name, kind, pairs }: Measured, tiny: boolean): readonly Acceptance[] {
  if (kind === "absent") return [];
  const priced = pairs.filter((pair) => typeof pair.priced !== "string");
  const costs = priced.map((pair) => Math.abs(costError(pair)));
  const sizes = priced.flatMap((pair) =>
    pair.real.bytes.map((bytes, place) => Math.abs(sizeError(pair, place, bytes))),
  );
  const before = priced.map(({ real, priced: each }) =>
    typeof each === "string" ? Number.NaN : Math.abs(each.costBefore / real.costBefore - 1),
  );
  const times = (of: (each: Priced) => readonly number[]) =>
    median(priced.flatMap(({ priced: each }) => (typeof each === "string" ? [] : of(each))));
  const shapes = priced.filter(sameShape).length / priced.length;
  // What HypoPG does is shown, not promised; a small database in a test shows that the bench works.
  const judged = kind === "clone" && !tiny;
  const line = (what: string, value: number, most: number, unit: "share" | "ms"): Acceptance => ({
    what: `${name}: ${what}`,
    value: unit === "ms" ? `${value.toFixed(2)} ms` : `${(value * 100).toFixed(2)} %`,
    goal: judged ? `at most ${unit === "ms" ? `${most} ms` : `${most * 100} %`}` : "shown",
    ok: !judged || value <= most,
  });
  return [
    {
      what: `${name}: same plan`,
      value: `${(shapes * 100).toFixed(1)} % of ${priced.length}`,
      goal: judged ? "at least 99 %" : "shown",
      ok: !judged || shapes >= 0.99,
    },
    line("error of cost without new indexes, worst", Math.max(...before), 0.0001, "share"),
    line("error of cost, median", median(costs), 0.005, "share"),
    line("error of cost, 90th percentile", quantile(costs, 0.9), 0.04, "share"),
    line("error of size, median", median(sizes), 0.03, "share"),
    line(
      "adding an index, median",
      times(({ addMs }) => addMs),
      30,
      "ms",
    ),
    line(
      "a what-if, median",
      times(({ planMs }) => planMs),
      3,
      "ms",
    ),
  ];
}
