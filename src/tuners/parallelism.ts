/** Parallelism: how many threads make a report, of what parts and how far read ahead, and PostgreSQL's own parallel workers. */
import { chooseOf } from "../advise/bulk/choice.ts";
import { cpuFacts, cpuShareOf, isSaturated, windowUse } from "../advise/bulk/cpu.ts";
import type { WindowUse } from "../advise/bulk/cpu.ts";
import { costOf, guardOf, refusalOf } from "../advise/bulk/guard.ts";
import { presentOf, probesOf, trialWith, turns } from "../advise/bulk/past.ts";
import type { Probe } from "../advise/bulk/past.ts";
import { workersMost } from "../advise/bulk/saturation.ts";
import type { WorkersMost } from "../advise/bulk/saturation.ts";
import { nextSingle, presetFirst } from "../advise/bulk/single.ts";
import { boundaryInWords, presetInWords, windowsInWords } from "../advise/bulk/words.ts";
import { PRESET_WHY, searchProbed } from "../advise/concurrency/probed.ts";
import type { Probed, SearchedKnob } from "../advise/concurrency/probed.ts";
import type { Values } from "../advise/concurrency/search.ts";
import type { Change } from "../core/knob.ts";
import { metricOf } from "../core/metric.ts";
import { knobByRole } from "../core/observation.ts";
import type { Ask, KnobReading, Step, TargetView } from "../core/observation.ts";
import type { MetricValues } from "../core/sample.ts";
import { formatBytes, formatDuration, formatRatio } from "../core/units.ts";
import { done, ended, erase, numberOf, numberSetting, propose, setKnob, stepOf } from "./tuner.ts";
import { trialsOf, wasTried } from "./tuner.ts";
import type { Part } from "./tuner.ts";

export interface ParallelismObservation {
  readonly workers: KnobReading | undefined;
  readonly split: KnobReading | undefined;
  readonly depth: KnobReading | undefined;
  readonly database: KnobReading | undefined;
  /** Of the observed window; empty when it was invalid. */
  readonly metrics: MetricValues;
  readonly use: WindowUse;
  readonly cores: number;
  readonly memoryBytes: number;
}

type ParallelismAsk = Ask<ParallelismObservation>;

const PRESET_WORKERS = 8;
const PROBES_MAX = 9;

export const parallelism = erase<ParallelismObservation>({
  id: "parallelism",
  title: "Parallel reports",
  rationale:
    "More threads help a report while it needs the CPU and cores are idle; smaller parts, and parts read ahead, help while threads wait for " +
    "data. They cannot help once all cores are in use: then threads take turns, each with its own memory, and the requests beside the report " +
    "wait longer; so that nothing beyond that is tried. PostgreSQL's parallel workers are bounded by the same cores.",
  roles: ["report-workers", "report-split", "report-depth", "pg-parallel-workers"],
  observe: (view) => Promise.resolve(observe(view)),
  next,
});

function observe(view: TargetView): ParallelismObservation {
  const { sample } = view;
  return {
    workers: knobByRole(view, "report-workers"),
    split: knobByRole(view, "report-split"),
    depth: knobByRole(view, "report-depth"),
    database: knobByRole(view, "pg-parallel-workers"),
    metrics: sample.valid ? sample.metrics : {},
    use: windowUse(sample, view.warmupMs ?? 0),
    cores: view.machine.cores,
    memoryBytes: view.machine.memoryBytes,
  };
}

function next(ask: ParallelismAsk): Step {
  const { observation, strategy } = ask;
  const { workers } = observation;
  if (!workers || workers.knob.domain.kind !== "int" || numberOf(workers.value) === undefined) {
    return done("the target has no knob for the threads of a report (role report-workers)");
  }
  if (observation.metrics[strategy.objective] === undefined) {
    const { title } = metricOf(strategy.objective);
    return done(`${title} was not measured: no setting can be compared with the present one`);
  }
  const report = reportStep(ask, workers);
  if (report.kind === "step") return report.step;
  const database = databaseStep(ask);
  if (database.kind === "step") return database.step;
  const reasons = [report.because, database.because].filter((each) => each !== "");
  return done([...reasons, ...machineFacts(ask)].join("; "));
}

function reportStep(ask: ParallelismAsk, workers: KnobReading): Part {
  const { observation, strategy, history } = ask;
  const trial = trialWith(history, ...searched(observation));
  if (trial) {
    const { hypothesis } = trial.candidate;
    const { verdict, detail } = trial.decision;
    return ended(
      verdict === "keep" ? `kept: ${hypothesis}` : `${hypothesis} did not hold in pairs: ${detail}`,
    );
  }
  const probes = probesOf(history).filter(({ changes }) =>
    turns(changes, ...searched(observation)),
  );
  const limit = limitOf(ask, workers, probes);
  const probed = searchReport(ask, workers, limit);
  const { step } = probed;
  if (step.kind === "unmeasurable") {
    return ended(`${metricOf(strategy.objective).title} was not measured: ${step.because}`);
  }
  // Windows from before PostgreSQL's workers were changed say nothing of what is better now.
  const isOver = trialWith(history, observation.database) !== undefined;
  if (step.kind === "probe" && !isOver) {
    const changes = changesTo(observation, step.values);
    if (changes.length > 0) return stepOf({ kind: "probe", changes, why: step.why });
  }
  const choice = isOver ? undefined : chooseOf(probed, strategy.objective);
  const facts = factsOf(ask, { workers, probed, probes, limit });
  const changes = choice ? changesTo(observation, choice.values) : [];
  const present = inWords(observation, {});
  if (!choice || changes.length === 0) {
    const floor = formatRatio(probed.noiseFloor);
    return ended(
      [`nothing was better than ${present} by more than the noise (${floor})`, ...facts].join("; "),
    );
  }
  return candidate(ask, {
    what: `${inWords(observation, choice.values)} instead of ${present}`,
    changes,
    facts,
  });
}

function searched({ workers, split, depth }: ParallelismObservation) {
  return [workers, split, depth];
}

function searchReport(
  ask: ParallelismAsk,
  workers: KnobReading,
  limit: WorkersMost | undefined,
): Probed {
  const { observation, strategy, history, noiseFloor, candidatesMax } = ask;
  const { split, depth, metrics, cores } = observation;
  const guard = guardOf(ask);
  const preset = numberSetting(strategy, "report-workers") ?? PRESET_WORKERS;
  const knobs: readonly SearchedKnob[] = [
    {
      reading: workers,
      first: preset,
      hypotheses: [
        { value: preset, why: PRESET_WHY },
        { value: cores, why: "one thread for each core" },
      ],
      ...(limit === undefined ? {} : { max: limit.most }),
    },
    ...[split, depth].flatMap((reading) => {
      if (!reading) return [];
      const first = numberSetting(strategy, reading.knob.role ?? reading.knob.id);
      return [first === undefined ? { reading } : { reading, first }];
    }),
  ];
  return searchProbed({
    knobs,
    objective: strategy.objective,
    metrics,
    history,
    noiseFloor,
    candidatesMax,
    probesMax: numberSetting(strategy, "probesMax") ?? PROBES_MAX,
    acceptable: (measured) => costOf(guard, measured) === undefined,
  });
}

function limitOf(
  ask: ParallelismAsk,
  workers: KnobReading,
  probes: readonly Probe[],
): WorkersMost | undefined {
  return workersMost({
    workers,
    present: numberOf(workers.value) ?? 1,
    share: presentShare(ask),
    probes: probes.filter(({ sample }) => sample.valid),
    shareOf: ({ sample }) =>
      shareOf(ask, sample.metrics, windowUse(sample, ask.observation.use.warmupMs)),
    cores: ask.observation.cores,
  });
}

function presentShare(ask: ParallelismAsk): number | undefined {
  return shareOf(ask, ask.observation.metrics, ask.observation.use);
}

function shareOf(ask: ParallelismAsk, metrics: MetricValues, use: WindowUse): number | undefined {
  const { requestsPerSecond: rate, saturationRequestsPerSecond: most, observation } = ask;
  const isKnown = rate !== undefined && most !== undefined && most > 0;
  return cpuShareOf({
    metrics,
    use,
    cores: observation.cores,
    ofSaturation: isKnown ? Math.min(1, rate / most) : undefined,
  });
}

function changesTo(observation: ParallelismObservation, values: Values): readonly Change[] {
  return searched(observation).flatMap((reading) => {
    const wanted = reading && values[reading.knob.id];
    const change = reading && wanted !== undefined ? setKnob(reading, wanted) : undefined;
    return change ? [change] : [];
  });
}

/** `8 report-workers, report-split of 500, report-depth of 1`, by the knobs' own names. */
function inWords(observation: ParallelismObservation, values: Values): string {
  return searched(observation)
    .flatMap((each) =>
      each ? [`${each.knob.id} of ${String(values[each.knob.id] ?? each.value)}`] : [],
    )
    .join(", ");
}

/** How many workers PostgreSQL gives to one query: none, or one for each core, once the report's own threads are settled. */
function databaseStep(ask: ParallelismAsk): Part {
  const { observation, strategy, history, noiseFloor, candidatesMax } = ask;
  const { database, cores, metrics } = observation;
  const present = numberOf(database?.value);
  if (!database || present === undefined) return ended("");
  const trial = trialWith(history, database);
  if (trial) {
    const { verdict, detail } = trial.decision;
    return ended(
      verdict === "keep"
        ? `kept: ${trial.candidate.hypothesis}`
        : `other parallel workers of PostgreSQL did not hold in pairs: ${detail}`,
    );
  }
  if (trialsOf(history).length >= candidatesMax) {
    return ended("PostgreSQL's parallel workers were not tried: no trial is left");
  }
  const isFull = isSaturated(presentShare(ask));
  const step = nextSingle({
    reading: database,
    hypotheses: presetFirst(numberSetting(strategy, "pg-parallel-workers"), [
      { value: 0, why: "no parallel query: the report's threads and the requests get the cores" },
      { value: cores, why: "one worker for each core" },
    ]).filter(({ value }) => !isFull || value < present),
    objective: strategy.objective,
    metrics,
    history,
    noiseFloor,
    candidatesMax,
    guard: guardOf(ask),
  });
  if (step.kind === "none") return ended(step.because);
  const change = setKnob(database, step.value);
  if (!change) return ended("");
  const what = `${step.value} parallel workers of a query instead of ${present}`;
  if (step.kind === "probe") {
    return stepOf({ kind: "probe", changes: [change], why: `${what}: ${step.why}` });
  }
  return candidate(ask, { what, changes: [change], facts: [step.words] });
}

function candidate(
  ask: ParallelismAsk,
  { what, changes, facts }: { what: string; changes: readonly Change[]; facts: readonly string[] },
): Part {
  const { history, strategy, candidatesMax } = ask;
  if (wasTried(history, changes) || trialsOf(history).length >= candidatesMax) {
    return ended([`${what} was not decided: no trial is left`, ...facts].join("; "));
  }
  return stepOf(
    propose("parallelism", history, {
      hypothesis: `${what} makes ${metricOf(strategy.objective).title} better`,
      changes,
      evidence: [...facts, ...machineFacts(ask)],
    }),
  );
}

interface Searched {
  readonly workers: KnobReading;
  readonly probed: Probed;
  readonly probes: readonly Probe[];
  readonly limit: WorkersMost | undefined;
}

function factsOf(ask: ParallelismAsk, { workers, probed, probes, limit }: Searched) {
  const { observation, strategy } = ask;
  const { objective } = strategy;
  const { metrics, cores } = observation;
  const guard = guardOf(ask);
  const preset = numberSetting(strategy, "report-workers") ?? PRESET_WORKERS;
  return [
    windowsInWords({
      objective,
      knobs: searched(observation).flatMap((each) => (each ? [{ id: each.knob.id }] : [])),
      present: presentOf(searched(observation)),
      observed: metrics[objective],
      probes,
      refusal: (sample) => refusalOf(guard, sample),
    }),
    ...presetInWords(probed, { objective, knob: workers.knob.id, preset }, cores),
    ...(limit ? [limit.because] : []),
    ...boundaryInWords(probed),
  ];
}

function machineFacts(ask: ParallelismAsk): readonly string[] {
  const { metrics, cores } = ask.observation;
  const facts = [cpuFacts(presentShare(ask), cores)];
  const p95 = metrics["api.latencyP95Ms"];
  if (p95 !== undefined) facts.push(`API p95 beside it ${formatDuration(p95)}`);
  const peak = metrics["service.memoryPeakBytes"];
  if (peak !== undefined) facts.push(`service memory at its peak ${formatBytes(peak)}`);
  return facts;
}
