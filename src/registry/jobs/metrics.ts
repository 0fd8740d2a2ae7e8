// What the service's metrics page says of jobs.

import { Counter, Gauge, Histogram } from "prom-client";
import type { Registry } from "prom-client";
import type { Job, JobClass, Kind } from "./job.ts";

export type JobMetrics = {
  readonly accepted: (kind: Kind) => void;
  readonly rejected: (kind: Kind, jobClass: JobClass) => void;
  /** An attempt was made; of the first one, the time from the job's acceptance to its start is its wait. */
  readonly tried: (job: Job, seconds: number) => void;
  readonly attemptFailed: (kind: Kind) => void;
  readonly completed: (job: Job, finishedMs: number) => void;
  readonly died: (kind: Kind) => void;
  readonly outgoing: (seconds: number) => void;
  readonly statement: () => void;
  readonly watch: (source: JobGauges) => void;
};

export type JobGauges = {
  readonly waiting: () => number;
  readonly held: () => number;
  readonly active: () => number;
  /** By receiver's host: 0 closed, 1 half open, 2 open. */
  readonly circuits: () => ReadonlyMap<string, number>;
};

const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

export function createJobMetrics(registry: Registry): JobMetrics {
  const registers = [registry];
  const counter = <L extends string>(name: string, help: string, labelNames: readonly L[]) =>
    new Counter({ name, help, labelNames: [...labelNames], registers });
  const histogram = <L extends string>(name: string, help: string, labelNames: readonly L[]) =>
    new Histogram({ name, help, labelNames: [...labelNames], buckets: BUCKETS, registers });
  const kind = ["kind"] as const;
  const accepted = counter("registry_jobs_accepted_total", "Jobs admitted to the queue", kind);
  const rejected = counter("registry_jobs_rejected_total", "Jobs refused, the queue being full", [
    "kind",
    "class",
  ]);
  const completed = counter("registry_jobs_completed_total", "Jobs done", kind);
  const dead = counter("registry_jobs_dead_total", "Jobs given up after their last attempt", kind);
  const attempts = counter("registry_job_attempts_total", "Attempts made", kind);
  const failures = counter("registry_job_attempts_failed_total", "Attempts that failed", kind);
  const statements = counter(
    "registry_job_statements_total",
    "SQL statements of workers and sweeps, which registry_db_statements_total leaves out: they belong to no request",
    [],
  );
  const total = histogram(
    "registry_job_seconds",
    "From a job's acceptance to its end, attempts and the pauses between them included",
    ["kind", "class"],
  );
  const waits = histogram(
    "registry_job_wait_seconds",
    "From a job's acceptance to the start of its first attempt",
    ["class"],
  );
  const service = histogram("registry_job_service_seconds", "Duration of attempts", kind);
  const outgoing = histogram("registry_outgoing_seconds", "Requests to webhook receivers", []);
  return {
    accepted: (kind) => accepted.inc({ kind }),
    rejected: (kind, jobClass) => rejected.inc({ kind, class: jobClass }),
    tried(job, seconds) {
      attempts.inc({ kind: job.kind });
      service.observe({ kind: job.kind }, seconds);
      if (job.attempt > 1) return;
      waits.observe({ class: job.class }, (job.startedMs - job.acceptedMs) / 1_000);
    },
    attemptFailed: (kind) => failures.inc({ kind }),
    completed(job, finishedMs) {
      completed.inc({ kind: job.kind });
      const seconds = (finishedMs - job.acceptedMs) / 1_000;
      total.observe({ kind: job.kind, class: job.class }, seconds);
    },
    died: (kind) => dead.inc({ kind }),
    outgoing: (seconds) => outgoing.observe(seconds),
    statement: () => statements.inc(),
    watch: (source) => addGauges(registry, source),
  };
}

/** They show what is known already: a scrape asks neither Redis nor the database. */
function addGauges(registry: Registry, source: JobGauges): void {
  const states = new Gauge({
    name: "registry_jobs",
    help: "Jobs that wait (in the whole queue), are held in the outbox for want of room (likewise), and that this process works on",
    labelNames: ["state"] as const,
    registers: [],
    collect() {
      this.set({ state: "waiting" }, source.waiting());
      this.set({ state: "held" }, source.held());
      this.set({ state: "active" }, source.active());
    },
  });
  const circuits = new Gauge({
    name: "registry_circuit_state",
    help: "Circuit breaker of a webhook receiver in this process: 0 closed, 1 half open, 2 open",
    labelNames: ["receiver"] as const,
    registers: [],
    collect() {
      this.reset();
      for (const [receiver, state] of source.circuits()) this.set({ receiver }, state);
    },
  });
  registry.registerMetric(states);
  registry.registerMetric(circuits);
}
