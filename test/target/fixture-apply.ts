/** Builds an index on a target in a process of its own, so that a test can kill it: URL, home, then IndexDefinition as JSON. */
import { openTarget } from "../../src/target/live.ts";
import type { IndexDefinition } from "../../src/core/index-definition.ts";
import { fixtureTarget, neverAborted } from "../integration/stores.ts";

const [adminUrl = "", home = "", index = ""] = process.argv.slice(2);
const target = await openTarget({
  targetFile: fixtureTarget(),
  home,
  source: { id: "one", adminUrl, server: undefined },
  signal: neverAborted,
  indexLimits: { snapshotAgeMs: 60_000, snapshotWaitMs: 60_000, buildTimeoutMs: 60_000 },
});
const definition: IndexDefinition = JSON.parse(index);
await target.apply({ kind: "create-index", index: definition });
