/** Job queue: tries the policies that the observed window speaks for, one after another: priorities, ageing, retries, batches. */
import { queueFactsOf } from "../advise/concurrency/queue/facts.ts";
import type { QueueSettings } from "../advise/concurrency/queue/facts.ts";
import { queuePolicies } from "../advise/concurrency/queue/policy.ts";
import type { Idea, Policy, QueueRole } from "../advise/concurrency/queue/policy.ts";
import { changeKey, domainError } from "../core/knob.ts";
import type { Change, KnobValue } from "../core/knob.ts";
import { metricOf } from "../core/metric.ts";
import { knobByRole } from "../core/observation.ts";
import type { Ask, KnobReading, Past, Step, TargetView } from "../core/observation.ts";
import type { MetricValues } from "../core/sample.ts";
import { done, erase, numberOf, numberSetting, propose, setKnob, trialsOf } from "./tuner.ts";

export interface JobQueueObservation {
  /** The knobs that the target has, by what they mean. */
  readonly knobs: Readonly<Partial<Record<QueueRole, KnobReading>>>;
  readonly workers: number | null;
  readonly processes: number;
  /** Of the observed window; empty when it was invalid. */
  readonly metrics: MetricValues;
  readonly windowMs: number;
}

const ROLES = [
  "job-priorities",
  "job-ageing",
  "job-attempts",
  "job-backoff",
  "job-batch",
] as const satisfies readonly QueueRole[];
const PRESET_BATCH = 10;

export const jobQueue = erase<JobQueueObservation>({
  id: "job-queue",
  title: "Job queue",
  rationale:
    "Priorities help those who wait for their job when all kinds wait in one line; ageing keeps the others from starving; a shorter pause " +
    "helps when failures pass, fewer attempts when they last; batches help when handing jobs out takes longer than doing them. They " +
    "cannot help where no job waits and none fails: an order only exists among those that wait.",
  roles: ROLES,
  observe: (view) => Promise.resolve(observe(view)),
  next,
});

function observe(view: TargetView): JobQueueObservation {
  const { sample } = view;
  const knobs: Partial<Record<QueueRole, KnobReading>> = {};
  for (const role of ROLES) {
    const reading = knobByRole(view, role);
    if (reading) knobs[role] = reading;
  }
  return {
    knobs,
    workers: numberOf(knobByRole(view, "async-workers")?.value) ?? null,
    processes: numberOf(knobByRole(view, "processes")?.value) ?? 1,
    metrics: sample.valid ? sample.metrics : {},
    windowMs: sample.load.windowMs,
  };
}

function next(ask: Ask<JobQueueObservation>): Step {
  const { observation, strategy, history } = ask;
  const { knobs, metrics, windowMs } = observation;
  if (ROLES.every((role) => !knobs[role])) {
    return done(`the target has no knob for how its jobs are served (roles ${ROLES.join(", ")})`);
  }
  const { objective } = strategy;
  if (metrics[objective] === undefined) {
    return done(`${metricOf(objective).title} was not measured in the observed window`);
  }
  const settings = settingsOf(observation);
  const ideas = queuePolicies({
    facts: queueFactsOf(metrics, windowMs, settings),
    settings,
    ageingMs: numberSetting(strategy, "job-ageing"),
    batch: Math.round(numberSetting(strategy, "job-batch") ?? PRESET_BATCH),
  });
  const left = trialsOf(history).length < ask.candidatesMax;
  for (const idea of ideas) {
    if ("nothing" in idea || !idea.shownBy.includes(objective) || !left) continue;
    const changes = changesOf(observation, idea);
    if (isSettled(history, changes)) continue;
    return propose("job-queue", history, {
      hypothesis: idea.hypothesis,
      changes,
      evidence: idea.facts,
    });
  }
  return done(whyDone(ask, ideas));
}

function settingsOf({ knobs, workers, processes }: JobQueueObservation): QueueSettings {
  const priorities = knobs["job-priorities"]?.value;
  return {
    workers: workers ?? undefined,
    processes,
    priorities: typeof priorities === "boolean" ? priorities : undefined,
    ageingMs: numberOf(knobs["job-ageing"]?.value),
    attempts: numberOf(knobs["job-attempts"]?.value),
    backoffMs: numberOf(knobs["job-backoff"]?.value),
    batch: numberOf(knobs["job-batch"]?.value),
  };
}

/** Only what differs, moved into the knobs' domains; nothing for a policy whose main knob cannot be set. */
function changesOf({ knobs }: JobQueueObservation, policy: Policy): readonly Change[] {
  return ROLES.flatMap((role) => {
    const [reading, value] = [knobs[role], policy.set[role]];
    if (!reading || value === undefined) return [];
    return changeTo(reading, value) ?? [];
  });
}

/** Nothing to change, or decided already: a policy is known by its first change, since what goes with it follows from the window. */
function isSettled(history: readonly Past[], changes: readonly Change[]): boolean {
  const [main] = changes;
  if (!main) return true;
  return trialsOf(history).some(({ candidate }) => {
    const [first] = candidate.changes;
    return first !== undefined && changeKey(first) === changeKey(main);
  });
}

function changeTo(reading: KnobReading, value: KnobValue): Change | undefined {
  if (typeof value === "number") return setKnob(reading, value);
  if (value === reading.value || domainError(reading.knob.domain, value) !== undefined) {
    return undefined;
  }
  return { kind: "set-knob", knob: reading.knob.id, from: reading.value, to: value };
}

/** What was tried and became of it, what is advised though pairs could not show it, and why there is nothing else. */
function whyDone(ask: Ask<JobQueueObservation>, ideas: readonly Idea[]): string {
  const { history, strategy, observation } = ask;
  const trials = trialsOf(history).map(({ candidate, decision }) =>
    decision.verdict === "keep"
      ? `kept: ${candidate.hypothesis}`
      : `did not hold in pairs: ${candidate.hypothesis} (${decision.detail})`,
  );
  const reasons = ideas.flatMap((idea) => {
    if ("nothing" in idea) return idea.nothing === "" ? [] : [idea.nothing];
    const changes = changesOf(observation, idea);
    if (isSettled(history, changes)) return [];
    const why = idea.shownBy.includes(strategy.objective)
      ? "no trial is left for it"
      : `advised, not applied: ${metricOf(strategy.objective).title} does not show it`;
    return [`${idea.hypothesis} (${idea.facts.join("; ")}; ${why})`];
  });
  const text = [...trials, ...reasons].join("; ");
  return text === "" ? "nothing that was observed speaks for another policy" : text;
}
