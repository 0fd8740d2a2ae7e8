/** Applies a change to a target in a process of its own, so that a test can kill it: URL, home, then the Change as JSON. */
import { openTarget } from "../../src/target/live.ts";
import type { Change } from "../../src/core/knob.ts";
import { fixtureTarget, neverAborted } from "../integration/stores.ts";
import { workMem } from "./knobs.ts";

const [url = "", home = "", text = ""] = process.argv.slice(2);
const target = await openTarget({
  targetFile: fixtureTarget({ knobs: [workMem] }),
  home,
  source: { id: "one", adminUrl: url, serviceUrl: url, server: undefined },
  environment: {},
  signal: neverAborted,
  indexLimits: { snapshotAgeMs: 60_000, snapshotWaitMs: 60_000, buildTimeoutMs: 60_000 },
});
const change: Change = JSON.parse(text);
await target.apply(change);
