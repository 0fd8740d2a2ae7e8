/** A bench job as a closed loop wants it: nobody in it thinks. */
import { withoutThinking } from "../load/saturation.ts";
import type { BenchJob } from "./bench-session.ts";

/** Pauses within sessions would make the number of users the limit, and not the service. */
export function hurried(job: BenchJob): BenchJob {
  return { ...job, plan: { ...job.plan, workload: withoutThinking(job.plan.workload) } };
}
