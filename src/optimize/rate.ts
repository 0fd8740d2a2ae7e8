/** The open-loop rate of the whole run: fixed by the persona, or a share of what a closed loop can get through. */
import { PerfoptError } from "../core/errors.ts";
import { formatRatio } from "../core/units.ts";
import { keptChanges, type Run, type RunState } from "./run.ts";

/** Sets the run's rate, and the saturation rate where it was measured. */
export async function chooseRate(run: Run, state: RunState): Promise<void> {
  await run.bench.setArm("incumbent", []);
  const rate = run.persona.workload.rate;
  if (rate.kind === "fixed") {
    await run.journal.append({
      type: "rate-set",
      saturationRequestsPerSecond: undefined,
      requestsPerSecond: rate.requestsPerSecond,
      how: "fixed by the persona",
    });
    state.requestsPerSecond = rate.requestsPerSecond;
    return;
  }
  const saturation = await saturationOf(run, state);
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
  state.requestsPerSecond = requestsPerSecond;
}

/** What the baseline completes in a closed loop; measured once, on the first question. */
export async function saturationOf(run: Run, state: RunState): Promise<number> {
  if (state.saturationRequestsPerSecond === undefined) {
    run.say("closed loop: finding the rate at which the baseline saturates");
    if (state.kept.length > 0) await run.bench.setArm("incumbent", []);
    state.saturationRequestsPerSecond = await run.bench.saturate(run.seed);
    if (state.kept.length > 0) await run.bench.setArm("incumbent", keptChanges(state));
  }
  return state.saturationRequestsPerSecond;
}
