/** The open-loop rate of the whole run: fixed by the persona, or a share of what a closed loop can get through. */
import { PerfoptError } from "../core/errors.ts";
import { formatRatio } from "../core/units.ts";
import type { Run } from "./run.ts";

export async function chooseRate(run: Run): Promise<number> {
  await run.bench.setArm("incumbent", []);
  const rate = run.persona.workload.rate;
  if (rate.kind === "fixed") {
    await run.journal.append({
      type: "rate-set",
      saturationRequestsPerSecond: undefined,
      requestsPerSecond: rate.requestsPerSecond,
      how: "fixed by the persona",
    });
    return rate.requestsPerSecond;
  }
  run.say("closed loop: finding the rate at which the baseline saturates");
  const saturation = await run.bench.saturate(run.seed);
  const requestsPerSecond = Math.floor(saturation * rate.share);
  if (!(requestsPerSecond >= 1)) {
    throw new PerfoptError(
      "cannot-measure",
      `the service completes ${saturation.toFixed(1)} requests/s at saturation, too few to measure at ${formatRatio(rate.share)} of it`,
      "check the service's log, or set a fixed rate in the persona: workload.rate.requestsPerSecond",
    );
  }
  // The closed loop has warmed one arm only: both begin the run with fresh processes.
  await run.bench.restartArms();
  await run.journal.append({
    type: "rate-set",
    saturationRequestsPerSecond: saturation,
    requestsPerSecond,
    how: `${formatRatio(rate.share)} of the saturation rate that a closed loop found on the baseline`,
  });
  return requestsPerSecond;
}
