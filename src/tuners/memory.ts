/** Memory: the young generation's size, a limit of the heap, and buffers, by what collections and memory were measured to cost. */
import { guardOf, memoryMost } from "../advise/bulk/guard.ts";
import {
  aimOf,
  boundInWords,
  dearBecause,
  heapAdvice,
  isSeenInMemory,
  largerSpaces,
  memoryFacts,
  MEMORY_FACTOR,
  noLargerBecause,
  noSmallerBecause,
  smallerSpaces,
} from "../advise/bulk/memory.ts";
import { trialWith } from "../advise/bulk/past.ts";
import { nextSingle } from "../advise/bulk/single.ts";
import type { Hypothesis } from "../advise/concurrency/probed.ts";
import { metricOf } from "../core/metric.ts";
import { knobByRole } from "../core/observation.ts";
import type { Ask, KnobReading, Step, TargetView } from "../core/observation.ts";
import type { MetricValues } from "../core/sample.ts";
import { formatBytes } from "../core/units.ts";
import { done, ended, erase, numberOf, numberSetting, propose, setKnob, stepOf } from "./tuner.ts";
import { trialsOf } from "./tuner.ts";
import type { Part } from "./tuner.ts";

export interface MemoryObservation {
  readonly semiSpace: KnobReading | undefined;
  readonly heapLimit: KnobReading | undefined;
  readonly buffer: KnobReading | undefined;
  readonly depth: KnobReading | undefined;
  /** Of the observed window; empty when it was invalid. */
  readonly metrics: MetricValues;
  readonly memoryBytes: number;
}

type MemoryAsk = Ask<MemoryObservation>;

const BUFFER_FACTOR = 4;

export const memory = erase<MemoryObservation>({
  id: "memory",
  title: "Memory and garbage collection",
  rationale:
    "A larger young generation helps while it fills often with what is soon garbage: it is collected less often, for three times its size in " +
    "memory. It cannot help by more than the share of the time that collections take, nor where what survives is what makes them slow. " +
    "Less memory comes from a smaller one, from a limit of the heap and from smaller buffers, and is paid for in collections.",
  roles: ["semi-space", "heap-limit", "batch-buffer", "report-depth"],
  observe: (view) => Promise.resolve(observe(view)),
  next,
});

function observe(view: TargetView): MemoryObservation {
  const { sample } = view;
  return {
    semiSpace: knobByRole(view, "semi-space"),
    heapLimit: knobByRole(view, "heap-limit"),
    buffer: knobByRole(view, "batch-buffer"),
    depth: knobByRole(view, "report-depth"),
    metrics: sample.valid ? sample.metrics : {},
    memoryBytes: view.machine.memoryBytes,
  };
}

function next(ask: MemoryAsk): Step {
  const { observation, strategy } = ask;
  const { semiSpace, heapLimit, metrics } = observation;
  if (!semiSpace && !heapLimit) {
    return done("the target has no knob for its memory (roles semi-space, heap-limit)");
  }
  const facts = memoryFacts(metrics);
  if (metrics[strategy.objective] === undefined) {
    const { title } = metricOf(strategy.objective);
    return done(
      [`${title} was not measured: nothing can be compared with it`, ...facts].join("; "),
    );
  }
  const reasons: string[] = [];
  for (const part of [spacePart, heapPart, bufferPart, depthPart]) {
    const said = part(ask);
    if (said.kind === "step") return said.step;
    if (said.because !== "") reasons.push(said.because);
  }
  return done([...reasons, ...boundInWords(strategy.objective, metrics), ...facts].join("; "));
}

/** The young generation: larger while it is collected often, smaller where memory is what counts and collections are cheap. */
function spacePart(ask: MemoryAsk): Part {
  const { observation, strategy } = ask;
  const { semiSpace, metrics } = observation;
  const present = numberOf(semiSpace?.value);
  if (!semiSpace || present === undefined || present <= 0) return ended("");
  const { objective } = strategy;
  const preset = numberSetting(strategy, "semi-space");
  if (aimOf(objective) === "memory") {
    const because = noSmallerBecause(metrics);
    if (because !== undefined && !trialWith(ask.history, semiSpace)) return ended(because);
    return single(ask, semiSpace, {
      hypotheses: smallerSpaces(present, preset),
      refuse: dearBecause,
      facts: [],
    });
  }
  const because = noLargerBecause(objective, metrics, ask.noiseFloor);
  if (because !== undefined && !trialWith(ask.history, semiSpace)) return ended(because);
  const peak = metrics["service.memoryPeakBytes"] ?? metrics["service.memoryBytes"];
  if (peak === undefined) {
    return ended("a larger young generation was not tried: the service's memory was not measured");
  }
  const most = memoryMost(guardOf(ask));
  const hypotheses = largerSpaces(present, preset, { room: Math.max(0, most - peak) });
  const room = `${formatBytes(peak)} of the ${formatBytes(most)} that it may take`;
  if (hypotheses.length === 0) {
    return ended(`a larger young generation was not tried: the service has ${room}`);
  }
  const costs = hypotheses
    .map(
      ({ value }) =>
        `${formatBytes(value)} up to ${formatBytes(MEMORY_FACTOR * (value - present))}`,
    )
    .join(", ");
  return single(ask, semiSpace, {
    hypotheses,
    facts: [`the service has ${room}; more memory by ${costs}`],
  });
}

/** A limit of the heap, only where memory is what counts and all that the limit depends on was measured. */
function heapPart(ask: MemoryAsk): Part {
  const { observation, strategy, history } = ask;
  const { heapLimit, metrics } = observation;
  const present = numberOf(heapLimit?.value);
  if (!heapLimit || present === undefined || aimOf(strategy.objective) !== "memory") {
    return ended("");
  }
  const advice = heapAdvice(present, numberSetting(strategy, "heap-limit"), metrics);
  if (trialWith(history, heapLimit)) return single(ask, heapLimit, { hypotheses: [], facts: [] });
  if (advice.kind === "none") return ended(advice.because);
  return single(ask, heapLimit, {
    hypotheses: [
      { value: advice.limit, why: "twice what is in use, or the strategy's hypothesis" },
    ],
    refuse: dearBecause,
    facts: advice.facts,
  });
}

/** What an import's body is read ahead, where it is large enough to be seen in the service's memory. */
function bufferPart(ask: MemoryAsk): Part {
  const { observation, strategy } = ask;
  const { buffer, metrics } = observation;
  const present = numberOf(buffer?.value);
  if (!buffer || present === undefined || aimOf(strategy.objective) !== "memory") return ended("");
  if (!isSeenInMemory(present, metrics) && !trialWith(ask.history, buffer)) return ended("");
  const smaller = {
    value: Math.round(present / BUFFER_FACTOR),
    why: "a quarter of the present size",
  };
  return single(ask, buffer, { hypotheses: [smaller], facts: [] });
}

/** Parts of a report that are read ahead wait in memory. */
function depthPart(ask: MemoryAsk): Part {
  const { depth } = ask.observation;
  const present = numberOf(depth?.value);
  if (!depth || present === undefined || aimOf(ask.strategy.objective) !== "memory") {
    return ended("");
  }
  if (present <= 1 && !trialWith(ask.history, depth)) return ended("");
  return single(ask, depth, {
    hypotheses: [{ value: 1, why: "no more than the part that is worked on" }],
    facts: [],
  });
}

interface Trying {
  readonly hypotheses: readonly Hypothesis[];
  readonly refuse?: (metrics: MetricValues) => string | undefined;
  readonly facts: readonly string[];
}

/** Values of one knob in single windows, then one trial, then no more of it. */
function single(ask: MemoryAsk, reading: KnobReading, { hypotheses, refuse, facts }: Trying): Part {
  const { observation, strategy, history, noiseFloor, candidatesMax } = ask;
  const { metrics } = observation;
  const trial = trialWith(history, reading);
  if (trial) {
    const { verdict, detail } = trial.decision;
    const { hypothesis } = trial.candidate;
    return ended(
      verdict === "keep" ? `kept: ${hypothesis}` : `${hypothesis} did not hold in pairs: ${detail}`,
    );
  }
  if (trialsOf(history).length >= candidatesMax) {
    return ended(`${reading.knob.id} was not tried: no trial is left`);
  }
  const step = nextSingle({
    reading,
    hypotheses,
    objective: strategy.objective,
    metrics,
    history,
    noiseFloor,
    candidatesMax,
    guard: guardOf(ask),
    ...(refuse ? { refuse } : {}),
  });
  if (step.kind === "none") return ended([step.because, ...facts].join("; "));
  const change = setKnob(reading, step.value);
  if (!change) return ended("");
  const { id, domain } = reading.knob;
  const written = (value: unknown) =>
    domain.kind === "bytes" ? formatBytes(Number(value)) : String(value);
  const what = `${id} of ${written(change.to)} instead of ${written(change.from)}`;
  if (step.kind === "probe") {
    const why = `${what}: ${step.why}`;
    return stepOf({ kind: "probe", changes: [change], why });
  }
  const candidate = propose("memory", history, {
    hypothesis: `${what} makes ${metricOf(strategy.objective).title} better`,
    changes: [change],
    evidence: [
      step.words,
      ...facts,
      ...boundInWords(strategy.objective, metrics),
      ...memoryFacts(metrics),
    ],
  });
  return stepOf(candidate);
}
