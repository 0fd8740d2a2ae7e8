/** Opens a bench in a process of its own, so that a test can kill it: home. Prints every event, then what it is doing. */
import { join } from "node:path";
import { openBench } from "../../src/target/arms.ts";
import { presentValues } from "../../src/target/live.ts";
import { openSource } from "../../src/target/source.ts";
import { fixtureTarget, neverAborted } from "../integration/stores.ts";
import { loadOf } from "./load.ts";

const [home = ""] = process.argv.slice(2);
const targetFile = fixtureTarget();
const common = { targetFile, home, environment: process.env, signal: neverAborted };
const print = (value: unknown) => process.stdout.write(`${JSON.stringify(value)}\n`);
const source = await openSource({
  ...common,
  scale: "tiny",
  seed: 1,
  purpose: "bench",
  onProgress: () => {},
});
const bench = await openBench({
  ...common,
  source,
  runId: "killed",
  folder: join(home, "runs", "killed"),
  baselineValues: await presentValues(targetFile, home, { environment: process.env }),
  note: async (event) => void print(event),
  runLoad: loadOf(2_000),
  saturate: async () => 1,
});
print({ type: "measuring" });
await bench.sample({
  role: "incumbent",
  seed: 1,
  requestsPerSecond: 100,
  arrivals: "constant",
  warmupMs: 0,
  windowMs: 60_000,
});
