/** Batch: how a bulk write's batches are written, how large they are and how many at a time, searched together. */
import {
  inFlightFor,
  parallelMost,
  parametersInWords,
  recordsOfImport,
} from "../advise/bulk/batches.ts";
import { besideCliff, chooseOf } from "../advise/bulk/choice.ts";
import type { Choice } from "../advise/bulk/choice.ts";
import { costOf, guardOf, refusalOf } from "../advise/bulk/guard.ts";
import { gainBetween, nextMethod } from "../advise/bulk/method.ts";
import type { Base } from "../advise/bulk/method.ts";
import { presentOf, probesOf, trialWith, turns, valuesAfter } from "../advise/bulk/past.ts";
import type { Probe } from "../advise/bulk/past.ts";
import { nextSingle, presetFirst } from "../advise/bulk/single.ts";
import { boundaryInWords, presetInWords, windowsInWords } from "../advise/bulk/words.ts";
import { searchProbed } from "../advise/concurrency/probed.ts";
import type { Probed } from "../advise/concurrency/probed.ts";
import type { Values } from "../advise/concurrency/search.ts";
import type { Change } from "../core/knob.ts";
import { metricOf } from "../core/metric.ts";
import { knobByRole } from "../core/observation.ts";
import type { Ask, KnobReading, Past, Step, TargetView } from "../core/observation.ts";
import type { MetricValues } from "../core/sample.ts";
import { formatBytes, formatDuration, formatRatio } from "../core/units.ts";
import { done, erase, numberOf, numberSetting, propose, setKnob, trialsOf } from "./tuner.ts";
import { wasTried } from "./tuner.ts";

export interface BatchObservation {
  readonly size: KnobReading | undefined;
  readonly parallel: KnobReading | undefined;
  readonly inFlight: KnobReading | undefined;
  readonly method: KnobReading | undefined;
  readonly buffer: KnobReading | undefined;
  readonly poolMax: number | undefined;
  /** Of one import of the observed window. */
  readonly records: number | undefined;
  /** Of the observed window; empty when it was invalid. */
  readonly metrics: MetricValues;
  readonly cores: number;
  readonly memoryBytes: number;
}

type BatchAsk = Ask<BatchObservation>;

const PRESET_SIZE = 500;
const PRESET_PARALLEL = 2;
const OTHER_METHOD = "copy";
const PROBES_MAX = 8;
/** The buffer is the last thing that can matter: one value says whether at all. */
const BUFFER_FACTOR = 4;
/** A setting that pairs found to cost others too much leaves room for one that takes less. */
const SETTING_TRIALS_MOST = 2;

export const batch = erase<BatchObservation>({
  id: "batch",
  title: "Batch size and parallel batches",
  rationale:
    "Larger batches help while what each costs by itself (a round trip, a statement to plan, a commit) is more than what its rows cost, and " +
    "batches at a time help while the database waits for the service or the other way round. They cannot help where one core does nothing " +
    "but write rows already; and large ones hold memory and locks for longer, which the requests beside them feel: that bounds the search.",
  roles: ["batch-size", "batch-parallel", "batch-in-flight", "batch-method", "batch-buffer"],
  observe: (view) => Promise.resolve(observe(view)),
  next,
});

function observe(view: TargetView): BatchObservation {
  const { sample } = view;
  return {
    size: knobByRole(view, "batch-size"),
    parallel: knobByRole(view, "batch-parallel"),
    inFlight: knobByRole(view, "batch-in-flight"),
    method: knobByRole(view, "batch-method"),
    buffer: knobByRole(view, "batch-buffer"),
    poolMax: numberOf(knobByRole(view, "pool-max")?.value),
    records: recordsOfImport(sample),
    metrics: sample.valid ? sample.metrics : {},
    cores: view.machine.cores,
    memoryBytes: view.machine.memoryBytes,
  };
}

function next(ask: BatchAsk): Step {
  const { observation, strategy } = ask;
  const { size, metrics } = observation;
  if (!size || size.knob.domain.kind !== "int" || numberOf(size.value) === undefined) {
    return done("the target has no knob for the rows of a batch (role batch-size)");
  }
  if (metrics[strategy.objective] === undefined) {
    const { title } = metricOf(strategy.objective);
    return done(`${title} was not measured: no setting can be compared with the present one`);
  }
  const settled = settledBy(ask);
  if (settled !== undefined) return bufferStep(ask, settled);
  const base = methodAt(ask, metrics, []);
  return base.kind === "probe" ? base : sizeStep(ask, size, base);
}

function methodAt(ask: BatchAsk, metrics: MetricValues, beside: readonly Change[]) {
  const { observation, strategy, history, noiseFloor } = ask;
  return nextMethod({
    method: observation.method,
    wanted: String(strategy.settings["batch-method"] ?? OTHER_METHOD),
    objective: strategy.objective,
    metrics,
    history,
    noiseFloor,
    guard: guardOf(ask),
    beside,
  });
}

/** Where the settings were decided: what came of it. */
function settledBy({ history, candidatesMax, observation }: BatchAsk): string | undefined {
  const trials = settingTrials(history, observation);
  const last = trials.at(-1);
  if (!last) return undefined;
  const { decision, candidate } = last;
  if (decision.verdict === "keep") return `kept: ${candidate.hypothesis}`;
  const isCostly = decision.verdict === "discard" && decision.because === "constraint";
  const isOver = trials.length >= Math.min(SETTING_TRIALS_MOST, candidatesMax);
  return isCostly && !isOver ? undefined : `did not hold in pairs: ${decision.detail}`;
}

function settingTrials(history: readonly Past[], { buffer }: BatchObservation) {
  return trialsOf(history).filter(({ candidate }) => !turns(candidate.changes, buffer));
}

function sizeStep(ask: BatchAsk, size: KnobReading, base: Base): Step {
  const { observation, strategy } = ask;
  const probes = probesOf(ask.history).filter((each) => isOnBase(each, observation, base));
  const probed = searchProbed({
    ...searchOf(ask, base.metrics, probes),
    knobs: searchedKnobs(ask, size),
  });
  const { step } = probed;
  if (step.kind === "unmeasurable") {
    return done(`${metricOf(strategy.objective).title} was not measured: ${step.because}`);
  }
  if (step.kind === "probe") {
    const changes = changesTo(observation, step.values);
    if (changes.length === 0) return decide(ask, { base, probed, probes, choice: undefined });
    return { kind: "probe", changes: [...base.changes, ...changes], why: step.why };
  }
  const refused = settingTrials(ask.history, observation).at(-1);
  const below = refused && valuesAfter(refused.candidate.changes, searched(observation));
  const choice = chooseOf(probed, strategy.objective, below);
  const nearer = below ? undefined : besideCliff(probed, strategy.objective, choice, size.knob.id);
  if (nearer) {
    const why = "the best was too near to where it fails: the same at a distance";
    return { kind: "probe", changes: [...base.changes, ...changesTo(observation, nearer)], why };
  }
  const found = methodBeside(ask, { base, probed, probes, choice });
  return "base" in found ? decide(ask, found) : found;
}

/** A method that saves something a row is worth little with small batches, and may be worth much with those that were found. */
function methodBeside(ask: BatchAsk, found: Found): Found | Extract<Step, { kind: "probe" }> {
  const { base, choice, probed } = found;
  const beside = choice ? changesTo(ask.observation, choice.values) : [];
  if (!choice || base.changes.length > 0 || beside.length === 0) return found;
  const { objective } = ask.strategy;
  const windows = probed.measured.flatMap(({ values, metric }) =>
    metric !== undefined &&
    Object.entries(choice.values).every(([knob, value]) => values[knob] === value)
      ? [metric]
      : [],
  );
  if (windows.length === 0) return found;
  const mean = windows.reduce((sum, each) => sum + each, 0) / windows.length;
  const late = methodAt(ask, { ...base.metrics, [objective]: mean }, beside);
  if (late.kind === "probe") return late;
  const gain = gainBetween(objective, mean, late.metrics[objective] ?? Number.NaN);
  return {
    ...found,
    base: {
      ...base,
      changes: late.changes,
      facts: [...base.facts, ...late.facts],
    },
    choice: late.changes.length > 0 ? { ...choice, gain: choice.gain + gain } : choice,
  };
}

function searched({ size, parallel }: BatchObservation) {
  return [size, parallel];
}

function searchOf(ask: BatchAsk, metrics: MetricValues, history: readonly Past[]) {
  const { strategy, noiseFloor, candidatesMax } = ask;
  const guard = guardOf(ask);
  return {
    objective: strategy.objective,
    metrics,
    history,
    noiseFloor,
    candidatesMax,
    probesMax: numberSetting(strategy, "probesMax") ?? PROBES_MAX,
    acceptable: (measured: MetricValues) => costOf(guard, measured) === undefined,
  };
}

/** A batch larger than an import is that import, and more batches than connections wait for one. */
function searchedKnobs({ observation, strategy }: BatchAsk, size: KnobReading) {
  const { parallel, records, poolMax } = observation;
  const present = numberOf(parallel?.value);
  const most = present === undefined ? undefined : parallelMost(present, poolMax);
  return [
    {
      reading: size,
      first: numberSetting(strategy, "batch-size") ?? PRESET_SIZE,
      ...(records === undefined ? {} : { max: records }),
    },
    ...(parallel && present !== undefined
      ? [
          {
            reading: parallel,
            first: numberSetting(strategy, "batch-parallel") ?? PRESET_PARALLEL,
            ...(most === undefined ? {} : { max: most }),
          },
        ]
      : []),
  ];
}

/** Whether a window belongs to the search around this method. */
function isOnBase({ changes }: Probe, observation: BatchObservation, { changes: fixed }: Base) {
  const { method, buffer, size, parallel } = observation;
  if (turns(changes, buffer)) return false;
  return (
    turns(changes, method) === fixed.length > 0 &&
    (turns(changes, size) || turns(changes, parallel))
  );
}

/** The settings that differ from the present ones, and as many batches read ahead as are written at a time. */
function changesTo(observation: BatchObservation, values: Values): readonly Change[] {
  const { size, parallel, inFlight } = observation;
  const wanted = (reading: KnobReading | undefined) => reading && values[reading.knob.id];
  const [rows, batches] = [wanted(size), wanted(parallel)];
  const least = inFlightFor(batches ?? 0);
  const needed =
    batches !== undefined && batches !== parallel?.value && least > Number(inFlight?.value ?? least)
      ? least
      : undefined;
  return [
    size && rows !== undefined ? setKnob(size, rows) : undefined,
    parallel && batches !== undefined ? setKnob(parallel, batches) : undefined,
    inFlight && needed !== undefined ? setKnob(inFlight, needed) : undefined,
  ].filter((change) => change !== undefined);
}

interface Found {
  readonly base: Base;
  readonly probed: Probed;
  readonly probes: readonly Probe[];
  readonly choice: Choice | undefined;
}

function decide(ask: BatchAsk, found: Found): Step {
  const { base, choice } = found;
  const { observation, strategy, history, candidatesMax } = ask;
  const { objective } = strategy;
  const { noiseFloor } = found.probed;
  const before = observation.metrics[objective] ?? Number.NaN;
  const byMethod = gainBetween(objective, before, base.metrics[objective] ?? Number.NaN);
  const values = choice?.values ?? {};
  const changes = [...base.changes, ...changesTo(observation, values)];
  const facts = factsOf(ask, found);
  const isWorth = byMethod + (choice?.gain ?? 0) > noiseFloor;
  const isOpen = trialsOf(history).length < candidatesMax && !wasTried(history, changes);
  if (changes.length === 0 || !isWorth || !isOpen) {
    const floor = formatRatio(noiseFloor);
    const because =
      settledInWords(ask) ??
      `nothing was better than ${inWords(ask, {}, [])} by more than the noise (${floor})`;
    return bufferStep(ask, [because, ...facts].join("; "));
  }
  return propose("batch", history, {
    hypothesis: `${inWords(ask, values, base.changes)} instead of ${inWords(ask, {}, [])} make ${metricOf(objective).title} better`,
    changes,
    evidence: facts,
  });
}

function settledInWords({ history, observation }: BatchAsk): string | undefined {
  const last = settingTrials(history, observation).at(-1);
  return last && `${last.candidate.hypothesis} did not hold in pairs: ${last.decision.detail}`;
}

/** `batches of 500 rows, 2 at a time, by copy`. */
function inWords({ observation }: BatchAsk, values: Values, method: readonly Change[]): string {
  const { size, parallel } = observation;
  const of = (reading: KnobReading | undefined) =>
    reading && String(values[reading.knob.id] ?? reading.value);
  const to = method.flatMap((each) => (each.kind === "set-knob" ? [String(each.to)] : []))[0];
  const by = to ?? observation.method?.value;
  const each = parallel ? `, ${of(parallel) ?? ""} at a time` : "";
  return `batches of ${of(size) ?? ""} rows${each}${by === undefined ? "" : `, by ${String(by)}`}`;
}

function factsOf(ask: BatchAsk, { base, probed, probes }: Found): readonly string[] {
  const { observation, strategy } = ask;
  const { objective } = strategy;
  const { size, parallel, records, metrics, cores } = observation;
  const guard = guardOf(ask);
  const knobs = [size, parallel].flatMap((each) => (each ? [{ id: each.knob.id }] : []));
  const windows = windowsInWords({
    objective,
    knobs,
    present: presentOf(searched(observation)),
    observed: base.metrics[objective],
    probes,
    refusal: (sample) => refusalOf(guard, sample),
  });
  const preset = {
    objective,
    knob: size?.knob.id ?? "",
    preset: numberSetting(strategy, "batch-size") ?? PRESET_SIZE,
  };
  const peak = metrics["service.memoryPeakBytes"];
  const p95 = metrics["api.latencyP95Ms"];
  return [
    ...base.facts,
    `by ${base.method}: ${windows}`,
    ...presetInWords(probed, preset, cores),
    ...boundaryInWords(probed),
    ...parametersInWords(base.method),
    ...(records === undefined
      ? []
      : [`an import has ${records} records: no larger batch was tried`]),
    ...(p95 === undefined ? [] : [`API p95 beside it ${formatDuration(p95)}`]),
    ...(peak === undefined ? [] : [`service memory at its peak ${formatBytes(peak)}`]),
  ];
}

/** How much of a body is read ahead, once all else is settled and a trial is left for it. */
function bufferStep(ask: BatchAsk, because: string): Step {
  const { observation, history, strategy, candidatesMax, noiseFloor } = ask;
  const { buffer, metrics } = observation;
  const present = numberOf(buffer?.value);
  const isAffordable = candidatesMax > 1 && trialsOf(history).length < candidatesMax;
  if (!buffer || present === undefined || !isAffordable) return done(because);
  const trial = trialWith(history, buffer);
  if (trial) {
    const { verdict, detail } = trial.decision;
    const outcome = verdict === "keep" ? "kept" : `did not hold in pairs: ${detail}`;
    return done(`${because}; ${trial.candidate.hypothesis}: ${outcome}`);
  }
  const step = nextSingle({
    reading: buffer,
    hypotheses: presetFirst(numberSetting(strategy, "batch-buffer"), [
      { value: present * BUFFER_FACTOR, why: "read further ahead" },
    ]),
    objective: strategy.objective,
    metrics,
    history,
    noiseFloor,
    candidatesMax,
    guard: guardOf(ask),
  });
  if (step.kind === "none") return done(`${because}; ${step.because}`);
  const change = setKnob(buffer, step.value);
  if (!change) return done(because);
  const what = `a buffer of ${formatBytes(step.value)} instead of ${formatBytes(present)}`;
  if (step.kind === "probe")
    return { kind: "probe", changes: [change], why: `${what}: ${step.why}` };
  return propose("batch", history, {
    hypothesis: `${what} makes ${metricOf(strategy.objective).title} better`,
    changes: [change],
    evidence: [step.words],
  });
}
