/** Builds an index in a process of its own, so that a test can kill it or meet it: the job as JSON, without what is no data. */
import { buildIndex, type IndexJob } from "../../src/target/safe-index.ts";
import { neverAborted } from "../integration/stores.ts";

const job: Omit<IndexJob, "signal" | "beforeBuild" | "dataFolder"> = JSON.parse(
  process.argv[2] ?? "{}",
);
const built = await buildIndex({
  ...job,
  signal: neverAborted,
  dataFolder: undefined,
  beforeBuild: async () => {},
});
process.stdout.write(built.detail);
