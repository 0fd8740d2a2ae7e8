/** Asynchronous processing: searches the number of workers, and derives from what they get done how many jobs may wait. */
import { countOf, noBetterInWords } from "../advise/concurrency/gain-words.ts";
import {
  PRESET_WHY,
  probedInWords,
  probeUnder,
  searchProbed,
} from "../advise/concurrency/probed.ts";
import type { Probed } from "../advise/concurrency/probed.ts";
import { boundAdvice } from "../advise/concurrency/queue/advice.ts";
import type { BoundAdvice } from "../advise/concurrency/queue/advice.ts";
import { overloadOf } from "../advise/concurrency/queue/overload.ts";
import type { Overload } from "../advise/concurrency/queue/overload.ts";
import type { Change } from "../core/knob.ts";
import { metricOf } from "../core/metric.ts";
import { knobByRole } from "../core/observation.ts";
import type { Ask, KnobReading, Past, ProbeLoad, Step, TargetView } from "../core/observation.ts";
import type { MetricValues } from "../core/sample.ts";
import { formatDuration, formatRatio, significant } from "../core/units.ts";
import { done, erase, numberOf, numberSetting, propose, setKnob, trialsOf } from "./tuner.ts";
import { wasTried } from "./tuner.ts";

type SetKnob = Extract<Change, { kind: "set-knob" }>;

export interface AsyncProcessingObservation {
  readonly workers: KnobReading | undefined;
  readonly queueLimit: KnobReading | undefined;
  /** Each has the workers. */
  readonly processes: number;
  /** Of the observed window; empty when it was invalid. */
  readonly metrics: MetricValues;
  readonly cores: number;
}

const PRESET_WORKERS = 8;
const PRESET_LIMIT = 1_500;
const WAIT_TARGET_MS = 5_000;
const PROBES_MAX = 5;
const OVERLOAD: ProbeLoad = { kind: "of-saturation", factor: 2 };
/** Below this share of a job's time, waiting is not what makes it slow: more workers cannot help. */
const WAIT_SHARE_LEAST = 0.05;

export const asyncProcessing = erase<AsyncProcessingObservation>({
  id: "async-processing",
  title: "Asynchronous processing",
  rationale:
    "More workers help while jobs wait and the machine has time to spare for them; past that they take CPU and connections from the " +
    "requests, and fewer are better. They cannot help where no job waits. How many jobs may wait is not searched but derived: the wait " +
    "that is still acceptable times the jobs a second that were measured under overload.",
  roles: ["async-workers", "queue-limit"],
  observe: (view) => Promise.resolve(observe(view)),
  next,
});

function observe(view: TargetView): AsyncProcessingObservation {
  const { sample } = view;
  return {
    workers: knobByRole(view, "async-workers"),
    queueLimit: knobByRole(view, "queue-limit"),
    processes: numberOf(knobByRole(view, "processes")?.value) ?? 1,
    metrics: sample.valid ? sample.metrics : {},
    cores: view.machine.cores,
  };
}

function next(ask: Ask<AsyncProcessingObservation>): Step {
  const { observation, strategy } = ask;
  const { workers } = observation;
  const present = numberOf(workers?.value);
  if (!workers || present === undefined || workers.knob.domain.kind !== "int") {
    return done("the target has no knob for the number of its workers (role async-workers)");
  }
  const kept = trialsOf(ask.history).find((trial) => trial.decision.verdict === "keep");
  if (kept) return done(`kept: ${kept.candidate.hypothesis}`);
  const probed = searchWorkers(ask, workers, present);
  const { step } = probed;
  if (step.kind === "unmeasurable") {
    return done(`${metricOf(strategy.objective).title} was not measured: ${step.because}`);
  }
  if (step.kind === "probe") {
    const change = setKnob(workers, step.values[workers.knob.id] ?? present);
    if (!change) return done(`the number of workers cannot be changed from ${present}`);
    const why = `${countOf(Number(change.to), "worker")}: ${step.why}`;
    return { kind: "probe", changes: [change], why };
  }
  const best = step.values[workers.knob.id] ?? present;
  const change = step.gain > probed.noiseFloor ? setKnob(workers, best) : undefined;
  return boundThenDecide(ask, { probed, change: isOpen(ask, change), present, best });
}

interface Choice {
  readonly probed: Probed;
  /** Of the workers; undefined when the present number stays. */
  readonly change: SetKnob | undefined;
  readonly present: number;
  /** What the search recommends. */
  readonly best: number;
}

/** The change, unless it was decided already or no trial is left. */
function isOpen(
  { history, candidatesMax }: Ask<AsyncProcessingObservation>,
  change: SetKnob | undefined,
): SetKnob | undefined {
  if (!change || trialsOf(history).length >= candidatesMax) return undefined;
  return trialsOfWorkers(history, change.knob).some(({ to }) => to === change.to)
    ? undefined
    : change;
}

/** The trials in which the number of workers was another one. */
function trialsOfWorkers(history: readonly Past[], knob: string) {
  return trialsOf(history).flatMap(({ candidate, decision }) => {
    const change = candidate.changes.find(
      (each): each is SetKnob => each.kind === "set-knob" && each.knob === knob,
    );
    const to = numberOf(change?.to);
    return to === undefined ? [] : [{ to, decision }];
  });
}

function searchWorkers(
  ask: Ask<AsyncProcessingObservation>,
  workers: KnobReading,
  present: number,
): Probed {
  const { observation, strategy, history, noiseFloor } = ask;
  const limits = limitsOf(ask, workers, present);
  return searchProbed({
    knobs: [
      {
        reading: workers,
        hypotheses: [
          { value: numberSetting(strategy, "async-workers") ?? PRESET_WORKERS, why: PRESET_WHY },
        ],
        ...limits,
      },
    ],
    objective: strategy.objective,
    metrics: observation.metrics,
    history,
    noiseFloor,
    candidatesMax: ask.candidatesMax,
    probesMax: numberSetting(strategy, "probesMax") ?? PROBES_MAX,
  });
}

/** No more workers where no job waits; and nothing at or beyond a number that pairs have found to cost others too much. */
function limitsOf(
  { observation, history }: Ask<AsyncProcessingObservation>,
  workers: KnobReading,
  present: number,
): { readonly min?: number; readonly max?: number } {
  let min: number | undefined;
  let max = isWaiting(observation.metrics) ? undefined : present;
  for (const { to, decision } of trialsOfWorkers(history, workers.knob.id)) {
    if (decision.verdict !== "discard") continue;
    if (decision.because !== "constraint" && decision.because !== "worse") continue;
    if (to > present) max = Math.min(max ?? to - 1, to - 1);
    else min = Math.max(min ?? to + 1, to + 1);
  }
  return { ...(min === undefined ? {} : { min }), ...(max === undefined ? {} : { max }) };
}

function isWaiting(metrics: MetricValues): boolean {
  const [wait, whole] = [metrics["queue.waitP95Ms"], metrics["queue.latencyP95Ms"]];
  return wait === undefined || whole === undefined || wait >= whole * WAIT_SHARE_LEAST;
}

/** Overload with the chosen number of workers, then with the bound that follows, then the decision. */
function boundThenDecide(ask: Ask<AsyncProcessingObservation>, choice: Choice): Step {
  const { queueLimit } = ask.observation;
  const before = overload(ask, choice, []);
  if (queueLimit && !before) {
    const who = choice.change ? "the chosen number of workers" : "the present workers";
    return overloadProbe(choice, [], `twice the capacity on ${who}: how many jobs get done`);
  }
  const advice = before && adviceOf(ask, choice, before, undefined);
  const bound = advice?.bound;
  const limit = queueLimit && bound !== undefined ? setKnob(queueLimit, bound) : undefined;
  if (!advice?.proven || !limit || !before) return decide(ask, choice, advice, undefined);
  const after = overload(ask, choice, [limit]);
  if (!after) {
    return overloadProbe(
      choice,
      [limit],
      `twice the capacity with room for ${countOf(bound ?? 0, "job")}`,
    );
  }
  return decide(ask, choice, adviceOf(ask, choice, before, after), limit);
}

function overload(
  { history }: Ask<AsyncProcessingObservation>,
  { change }: Choice,
  more: readonly Change[],
): Overload | undefined {
  const sample = probeUnder(history, [...(change ? [change] : []), ...more], OVERLOAD);
  return sample && overloadOf(sample);
}

function overloadProbe({ change }: Choice, more: readonly Change[], why: string): Step {
  return { kind: "probe", changes: [...(change ? [change] : []), ...more], why, load: OVERLOAD };
}

function adviceOf(
  { observation, strategy }: Ask<AsyncProcessingObservation>,
  { change, present, best }: Choice,
  before: Overload,
  after: Overload | undefined,
): BoundAdvice {
  return boundAdvice({
    before,
    after,
    crew: {
      workers: change ? best : present,
      processes: observation.processes,
      serviceMeanMs: observation.metrics["queue.serviceMeanMs"],
    },
    present: numberOf(observation.queueLimit?.value) ?? 0,
    preset: numberSetting(strategy, "queue-limit") ?? PRESET_LIMIT,
    waitTargetMs: numberSetting(strategy, "wait-target") ?? WAIT_TARGET_MS,
    usual: observation.metrics,
    objective: strategy.objective,
  });
}

/**
 * A bound does nothing until the queue is full, which it is not at the run's load: pairs would find no gain, and that would be no
 * argument against it. So, where overload was measured with it and nothing that matters was worse, it goes along with the workers whose
 * rate it comes from, if the pairs show that both together are better and break no constraint; it is a candidate of its own only where the observed window already felt it; else it is said.
 */
function decide(
  ask: Ask<AsyncProcessingObservation>,
  choice: Choice,
  advice: BoundAdvice | undefined,
  limit: Change | undefined,
): Step {
  const { present, best, change } = choice;
  const safe = advice?.compared?.kind === "not-worse" ? limit : undefined;
  const facts = [...evidenceOf(ask, choice), ...(advice?.facts ?? [noBound(ask)])];
  if (change) {
    const bound = safe ? `, with room for ${countOf(advice?.bound ?? 0, "waiting job")},` : "";
    return propose("async-processing", ask.history, {
      hypothesis: `${countOf(best, "worker")} instead of ${present}${bound} ${best === 1 ? "makes" : "make"} ${metricOf(ask.strategy.objective).title} better`,
      changes: [change, ...(safe ? [safe] : [])],
      evidence: facts,
    });
  }
  const trials = trialsOf(ask.history);
  const left = trials.length < ask.candidatesMax;
  if (safe && advice?.felt === true && left && !wasTried(ask.history, [safe])) {
    return propose("async-processing", ask.history, {
      hypothesis: `room for ${countOf(advice.bound ?? 0, "waiting job")} instead of ${String(ask.observation.queueLimit?.value)} makes ${metricOf(ask.strategy.objective).title} better`,
      changes: [safe],
      evidence: facts,
    });
  }
  return done(`${workersInWords(ask, choice)}. ${facts.join("; ")}`);
}

function noBound({ observation }: Ask<AsyncProcessingObservation>): string {
  return observation.queueLimit
    ? "what the workers get done could not be measured, so that no bound of the queue follows"
    : "the target has no knob for how many jobs may wait (role queue-limit)";
}

function workersInWords(ask: Ask<AsyncProcessingObservation>, choice: Choice): string {
  const { present, best, probed } = choice;
  const trial = trialsOfWorkers(ask.history, ask.observation.workers?.knob.id ?? "").at(-1);
  if (trial) {
    return `${countOf(trial.to, "worker")} did not hold in pairs: ${trial.decision.detail}`;
  }
  const id = ask.observation.workers?.knob.id ?? "";
  const none = noBetterInWords({
    what: "number of workers",
    present,
    measured: probed.measured.map(({ values, metric }) => ({
      value: values[id] ?? present,
      metric,
    })),
    objective: ask.strategy.objective,
    noiseFloor: probed.noiseFloor,
  });
  const why = isWaiting(ask.observation.metrics)
    ? ""
    : `: hardly a job waits, so that more than ${present} were not tried`;
  const fewer =
    best < present ? `; ${best} measured the same, so that there are more than are needed` : "";
  return `${none}${why}${fewer}`;
}

function evidenceOf(ask: Ask<AsyncProcessingObservation>, { probed }: Choice): readonly string[] {
  const { metrics, workers, cores, processes } = ask.observation;
  const service = metrics["queue.serviceMeanMs"];
  const wait = metrics["queue.waitP95Ms"];
  const loop = metrics["service.eventLoopUtilization"];
  const facts = [
    probedInWords(probed, ask.strategy.objective, workers?.knob.id ?? "", "workers"),
    `${countOf(cores, "core")}, ${countOf(processes, "process", "processes")} with the workers in each`,
  ];
  const jobs = metrics["queue.jobsPerSecond"];
  if (jobs !== undefined) facts.push(`${significant(jobs)} jobs/s at the run's load`);
  if (wait !== undefined) facts.push(`job wait p95 ${formatDuration(wait)}`);
  if (service !== undefined) facts.push(`service time ${formatDuration(service)}`);
  if (loop !== undefined) facts.push(`event loop busy ${formatRatio(loop)}`);
  return facts;
}
