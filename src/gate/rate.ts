/** The rate of a gate: absolute, the same for both sides, so that a slower head cannot have an easier load. */
import { PerfoptError } from "../core/errors.ts";
import type { GateRate } from "../core/gate.ts";
import { formatRatio } from "../core/units.ts";
import type { GateRun } from "./run.ts";

/** Throws cannot-measure for a service that completes nothing to speak of. */
export async function chooseRate(run: GateRun): Promise<GateRate> {
  const { rate } = run.load;
  if (rate.kind === "fixed") {
    return { requestsPerSecond: rate.requestsPerSecond, how: "as asked for" };
  }
  run.say("closed loop: finding the rate at which the base saturates");
  const saturation = await run.arms.saturate(run.seed);
  const requestsPerSecond = Math.floor(saturation * rate.share);
  const share = formatRatio(rate.share);
  if (!(requestsPerSecond >= 1)) {
    throw new PerfoptError(
      "cannot-measure",
      `the base completes ${saturation.toFixed(1)} requests/s at saturation, too few to measure at ${share} of it`,
      "check the service's log, or give a rate: --rate 5",
    );
  }
  return {
    requestsPerSecond,
    how: `${share} of the saturation rate that a closed loop found on the base`,
    saturationRequestsPerSecond: saturation,
  };
}
