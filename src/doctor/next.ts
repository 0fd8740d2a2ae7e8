/** What to do next: for each verdict the commands and settings to try, the first one first. */
import type { Verdict } from "../core/diagnosis.ts";

export interface NextContext {
  /** As the user named it, as options: ` --target service.yaml`; empty for the bundled one. */
  readonly targetOptions: string;
}

export function nextFor(
  verdict: Verdict,
  { targetOptions: target }: NextContext,
): readonly string[] {
  switch (verdict) {
    case "cpu":
      return [
        "node --cpu-prof, under the same load: the flame graph names the functions",
        "more processes of the service behind a balancer; CPU work such as hashing on a thread pool",
      ];
    case "loop-blocked":
      return [
        "node --cpu-prof, under the same load: the widest bars are the blocking work",
        "move it to a thread pool (piscina), or cut it into pieces",
      ];
    case "gc":
      return [
        "start node with --max-semi-space-size=32, then 64, and run perfopt doctor again",
        "node --heap-prof, under the same load: it names who allocates; a larger --max-old-space-size where old space fills",
      ];
    case "pool-starved":
      return [`perfopt advise pool${target}`];
    case "database-saturated":
      return [`perfopt advise indexes${target}`, `perfopt advise pool${target}`];
    case "slow-query":
      return [`perfopt advise indexes${target}`];
    case "libuv":
      return [
        "start the service with UV_THREADPOOL_SIZE at two to four times of what it has (4 without the variable)",
        `perfopt run --persona multi-tasker --phases thread-pool${target}`,
      ];
    case "redis":
      return [`perfopt advise cache${target}`];
    case "queue-overload":
      return [
        `perfopt run --persona multi-tasker --phases async-processing${target}`,
        "a bound on the queue, so that jobs are refused with Retry-After instead of waiting ever longer",
      ];
    case "slow-upstream":
      return [
        "look at that service; until it is faster: a timeout, a circuit breaker, a cache of its answers, calls in parallel",
      ];
    case "host":
      return ["stop what else runs here and try again; --busy-machine diagnoses all the same"];
    case "unknown":
      return ["see why above; perfopt doctor --environment looks at the machine alone"];
    case "none":
      return [`perfopt bench --find-limit --slo 'p95<200ms'${target}`];
  }
}
