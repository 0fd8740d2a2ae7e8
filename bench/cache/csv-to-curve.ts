/** A program of its own, so that its time and memory are only its own: `csv-to-curve.ts FILE SIZES` prints the exact curve of a CSV file, as JSON. */
import { createHitCounter, ratesOf } from "../../src/advise/cache/curve/hit-counts.ts";
import { createStackDistances } from "../../src/advise/cache/curve/stack-distance.ts";
import { eachAccess } from "./load-trace.ts";

export interface CsvCurve {
  readonly keys: number;
  readonly rows: number;
  readonly hitRate: readonly number[];
  readonly byteHitRate: readonly number[];
  /** Since the process began. */
  readonly elapsedMs: number;
  readonly rssBytes: number;
}

const [file = "", sizes = "[]"] = process.argv.slice(2);
const distances = createStackDistances();
const counter = createHitCounter(JSON.parse(sizes));
let rows = 0;
const keys = await eachAccess(file, (id, bytes) => {
  const others = distances.access(id, bytes);
  counter.add(bytes, others < 0 ? -1 : others + bytes, 1);
  rows += 1;
});
const counts = counter.counts();
const result: CsvCurve = {
  keys,
  rows,
  ...ratesOf(counts, counts),
  elapsedMs: performance.now(),
  rssBytes: process.resourceUsage().maxRSS * 1024,
};
process.stdout.write(JSON.stringify(result));
