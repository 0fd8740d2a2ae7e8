/** Thread pool: searches how many threads the CPU work needs, how long idle ones are kept, and libuv's threads where they can matter. */
import { countOf, noBetterInWords } from "../advise/concurrency/gain-words.ts";
import {
  leastGainOf,
  PRESET_WHY,
  probedInWords,
  searchProbed,
} from "../advise/concurrency/probed.ts";
import type { Probed } from "../advise/concurrency/probed.ts";
import {
  idleAnywayBecause,
  isOfThreads,
  isStarved,
  isWaitKnown,
  libuvIdleBecause,
  lifetimeGainlessBecause,
  reachInWords,
  sizeGainlessBecause,
  threadFacts,
  threadsLeast,
  threadsMost,
} from "../advise/concurrency/threads/size.ts";
import type { ThreadWork } from "../advise/concurrency/threads/size.ts";
import type { Change } from "../core/knob.ts";
import { metricOf } from "../core/metric.ts";
import { knobByRole } from "../core/observation.ts";
import type { Ask, KnobReading, Past, Step, TargetView } from "../core/observation.ts";
import type { MetricValues } from "../core/sample.ts";
import { formatDuration } from "../core/units.ts";
import { done, ended, erase, numberOf, numberSetting, propose, setKnob, stepOf } from "./tuner.ts";
import { trialsOf, wasTried } from "./tuner.ts";
import type { Part } from "./tuner.ts";

export interface ThreadPoolObservation {
  readonly threads: KnobReading | undefined;
  readonly threadsMin: KnobReading | undefined;
  readonly idleTimeout: KnobReading | undefined;
  readonly libuv: KnobReading | undefined;
  readonly processes: number;
  /** Of the observed window; empty when it was invalid. */
  readonly metrics: MetricValues;
  readonly windowMs: number;
  readonly cores: number;
}

/** The strategy's where it says so; SPEC.md's preset is 45 to 30. */
const PRESET_THREADS = 30;
const PRESET_IDLE_MS = 1_000;
const PROBES_MAX = 5;
/** A second knob for which there is no diagnosis yet: the next rung up, and one further. */
const LIBUV_PROBES_MAX = 2;

export const threadPool = erase<ThreadPoolObservation>({
  id: "thread-pool",
  title: "Thread pool",
  rationale:
    "More threads help CPU work while cores are idle; past that they only take turns, each with its own memory, and fewer are better. " +
    "It cannot help where the work waits for something else than the CPU, or where there is hardly any: then threads are idle " +
    "whatever their number, and no setting makes them busy. Threads may be fewer than they could be, never than there are cores.",
  roles: ["threads", "threads-min", "thread-idle-timeout", "libuv-threads"],
  observe: (view) => Promise.resolve(observe(view)),
  next,
});

function observe(view: TargetView): ThreadPoolObservation {
  const { sample } = view;
  return {
    threads: knobByRole(view, "threads"),
    threadsMin: knobByRole(view, "threads-min"),
    idleTimeout: knobByRole(view, "thread-idle-timeout"),
    libuv: knobByRole(view, "libuv-threads"),
    processes: numberOf(knobByRole(view, "processes")?.value) ?? 1,
    metrics: sample.valid ? sample.metrics : {},
    windowMs: sample.load.windowMs,
    cores: view.machine.cores,
  };
}

function next(ask: Ask<ThreadPoolObservation>): Step {
  const { observation } = ask;
  const { threads } = observation;
  if (!threads || threads.knob.domain.kind !== "int" || numberOf(threads.value) === undefined) {
    return done("the target has no knob for its CPU threads (role threads)");
  }
  const nothing = wasTouched(ask) ? undefined : idleAnywayBecause(workOf(ask));
  const size = nothing === undefined ? sizeStep(ask, threads) : ended(nothing);
  if (size.kind === "step") return size.step;
  const idle = nothing === undefined ? idleStep(ask) : ended("");
  if (idle.kind === "step") return idle.step;
  const libuv = libuvStep(ask);
  if (libuv.kind === "step") return libuv.step;
  const facts = threadFacts(observation.metrics, observation.cores);
  const reasons = [size.because, idle.because, libuv.because].filter((each) => each !== "");
  return done([...reasons, facts.join(", ")].join("; "));
}

/** Whether the pool was tried in any way: what was measured then says more than what can be computed beforehand. */
function wasTouched({
  observation: { threads, idleTimeout },
  history,
}: Ask<ThreadPoolObservation>): boolean {
  const ids = [threads, idleTimeout].map((reading) => reading?.knob.id);
  return history.some((past) =>
    (past.kind === "probe" ? past.changes : past.candidate.changes).some(
      (change) => change.kind === "set-knob" && ids.includes(change.knob),
    ),
  );
}

function workOf({
  observation: { metrics, cores, processes },
  strategy: { objective },
  noiseFloor,
}: Ask<ThreadPoolObservation>): ThreadWork {
  return {
    objective,
    metrics,
    least: threadsLeast(objective, cores, processes) * Math.max(1, processes),
    cores,
    noiseFloor: leastGainOf({ objective, metrics, noiseFloor }),
  };
}

function sizeStep(ask: Ask<ThreadPoolObservation>, threads: KnobReading): Part {
  const trial = trialOf(ask.history, threads);
  if (trial) return ended(afterTrial(trial, "number of threads"));
  const gainless = wasTouched(ask) ? undefined : sizeGainlessBecause(workOf(ask));
  if (gainless !== undefined) return ended(gainless);
  const probed = searchSize(ask, threads);
  const { step } = probed;
  const { objective } = ask.strategy;
  if (step.kind === "unmeasurable") {
    return stepOf(done(`${metricOf(objective).title} was not measured: ${step.because}`));
  }
  const present = numberOf(threads.value) ?? 0;
  const to = step.values[threads.knob.id] ?? present;
  const changes = changesTo(ask.observation, threads, to);
  if (step.kind === "probe") {
    if (changes.length === 0)
      return ended(`the pool cannot be changed from ${countOf(present, "thread")}`);
    return stepOf({ kind: "probe", changes, why: `${countOf(to, "thread")}: ${step.why}` });
  }
  const words = probedInWords(probed, objective, threads.knob.id, "threads");
  if (changes.length === 0 || step.gain <= probed.noiseFloor) {
    const none = noBetterInWords({
      what: "number of threads",
      present,
      measured: probed.measured.map(({ values, metric }) => ({
        value: values[threads.knob.id] ?? present,
        metric,
      })),
      objective,
      noiseFloor: probed.noiseFloor,
    });
    const fewer = to < present ? `; ${to} measured the same, so that it is larger than needed` : "";
    const facts = [words, ...limitFacts(ask, threads)].join("; ");
    return ended(`${none}${fewer}. ${facts}`);
  }
  return candidate(ask, changes, `a pool of ${countOf(to, "thread")} instead of ${present}`, [
    words,
    ...limitFacts(ask, threads),
  ]);
}

function searchSize(ask: Ask<ThreadPoolObservation>, threads: KnobReading): Probed {
  const { observation, strategy, history, noiseFloor, candidatesMax } = ask;
  const { objective } = strategy;
  const { metrics, cores, processes } = observation;
  const coresEach = Math.max(1, Math.ceil(cores / Math.max(1, processes)));
  const most = threadsMost(numberOf(threads.value) ?? 0, processes, metrics);
  return searchProbed({
    knobs: [
      {
        reading: threads,
        hypotheses: [
          { value: numberSetting(strategy, "threads") ?? PRESET_THREADS, why: PRESET_WHY },
          { value: coresEach, why: "one thread for each core" },
        ],
        min: leastOf(ask, threads),
        ...(most === undefined ? {} : { max: most }),
      },
    ],
    objective,
    metrics,
    history,
    noiseFloor,
    probesMax: numberSetting(strategy, "probesMax") ?? PROBES_MAX,
    candidatesMax,
    acceptable: (measured) => !isStarved(measured, metrics),
  });
}

/** No fewer than now where nothing would tell what tasks pay for it. */
function leastOf(
  { observation, strategy }: Ask<ThreadPoolObservation>,
  threads: KnobReading,
): number {
  const { metrics, cores, processes } = observation;
  const least = threadsLeast(strategy.objective, cores, processes);
  const isBlind = isOfThreads(strategy.objective) && !isWaitKnown(metrics);
  return isBlind ? Math.max(least, numberOf(threads.value) ?? 0) : least;
}

/** A pool cannot be smaller than its own minimum, which goes down with it. */
function changesTo(
  { threadsMin }: ThreadPoolObservation,
  threads: KnobReading,
  to: number,
): readonly Change[] {
  const least = numberOf(threadsMin?.value);
  const size = setKnob(threads, to);
  if (!size) return [];
  const minimum =
    threadsMin && least !== undefined && least > to ? setKnob(threadsMin, to) : undefined;
  return minimum ? [size, minimum] : [size];
}

/** The lifetime of idle threads matters only where threads are counted, and only once the size is settled. */
function idleStep(ask: Ask<ThreadPoolObservation>): Part {
  const { observation, strategy } = ask;
  const { idleTimeout, threadsMin, processes, metrics, windowMs } = observation;
  const present = numberOf(idleTimeout?.value);
  if (!idleTimeout || present === undefined) return ended("");
  const trial = trialOf(ask.history, idleTimeout);
  if (trial) return ended(afterTrial(trial, "lifetime of idle threads"));
  const kept = (numberOf(threadsMin?.value) ?? 0) * Math.max(1, processes);
  const gainless = lifetimeGainlessBecause(strategy.objective, metrics, kept);
  if (gainless !== undefined) return ended(gainless);
  const wanted = Math.min(
    numberSetting(strategy, "thread-idle-timeout") ?? PRESET_IDLE_MS,
    windowMs,
  );
  const change = setKnob(idleTimeout, wanted);
  if (!change || wanted >= present)
    return ended(`idle threads end after ${formatDuration(present)} already`);
  return candidate(
    ask,
    [change],
    `letting idle threads go after ${formatDuration(wanted)} instead of ${formatDuration(present)}`,
    [],
  );
}

function libuvStep(ask: Ask<ThreadPoolObservation>): Part {
  const { observation, strategy, history, noiseFloor } = ask;
  const { libuv, metrics } = observation;
  const present = numberOf(libuv?.value);
  if (!libuv || present === undefined) return ended("");
  const trial = trialOf(history, libuv);
  if (trial) return ended(afterTrial(trial, "libuv's threads"));
  const because = libuvIdleBecause(strategy.objective, metrics);
  if (because !== undefined) return ended(because);
  const preset = numberSetting(strategy, "libuv-threads");
  const wanted =
    preset === undefined
      ? { value: present * 2, why: "twice as many" }
      : { value: preset, why: PRESET_WHY };
  const probed = searchProbed({
    knobs: [{ reading: libuv, hypotheses: [wanted] }],
    objective: strategy.objective,
    metrics,
    history,
    noiseFloor,
    probesMax: LIBUV_PROBES_MAX,
    candidatesMax: ask.candidatesMax,
  });
  const { step } = probed;
  if (step.kind === "unmeasurable") return ended("libuv's threads could not be measured");
  const to = step.values[libuv.knob.id] ?? present;
  const change = setKnob(libuv, to);
  if (step.kind === "probe" && change) {
    return stepOf({
      kind: "probe",
      changes: [change],
      why: `${countOf(to, "thread")} of libuv: ${step.why}`,
    });
  }
  const words = probedInWords(probed, strategy.objective, libuv.knob.id, "threads of libuv");
  if (step.kind === "probe" || !change || step.gain <= probed.noiseFloor) {
    return ended(`no other number of libuv's threads was better than ${present}. ${words}`);
  }
  return candidate(
    ask,
    [change],
    `a pool of ${countOf(to, "thread")} of libuv instead of ${present}`,
    [words],
  );
}

function candidate(
  ask: Ask<ThreadPoolObservation>,
  changes: readonly Change[],
  what: string,
  facts: readonly string[],
): Part {
  const { observation, history, strategy, candidatesMax } = ask;
  if (wasTried(history, changes) || trialsOf(history).length >= candidatesMax) {
    return ended(`${what} was not decided: no trial is left`);
  }
  return stepOf(
    propose("thread-pool", history, {
      hypothesis: `${what} makes ${metricOf(strategy.objective).title} better`,
      changes,
      evidence: [...facts, ...threadFacts(observation.metrics, observation.cores)],
    }),
  );
}

/** Why neither fewer nor more were tried, and what the fewest could reach. */
function limitFacts(
  { observation, strategy }: Ask<ThreadPoolObservation>,
  threads: KnobReading,
): readonly string[] {
  const { metrics, cores, processes } = observation;
  const present = numberOf(threads.value) ?? 0;
  const more =
    threadsMost(present, processes, metrics) === undefined
      ? []
      : [`more than ${present} were not tried: the pool never grew to half of that`];
  if (!isOfThreads(strategy.objective)) return more;
  if (!isWaitKnown(metrics)) {
    return [...more, `fewer than ${present} were not tried: how long tasks wait was not measured`];
  }
  const least = threadsLeast(strategy.objective, cores, processes);
  const fewer = `fewer than ${least} were not tried: a burst of tasks would leave cores idle`;
  return [...more, fewer, ...reachInWords(metrics, least * processes)];
}

type Trial = Extract<Past, { kind: "trial" }>;

function trialOf(history: readonly Past[], reading: KnobReading): Trial | undefined {
  return trialsOf(history).findLast(({ candidate: { changes } }) =>
    changes.some((change) => change.kind === "set-knob" && change.knob === reading.knob.id),
  );
}

function afterTrial({ decision, candidate: { hypothesis } }: Trial, what: string): string {
  return decision.verdict === "keep"
    ? `kept: ${hypothesis}`
    : `another ${what} did not hold in pairs: ${decision.detail}`;
}
