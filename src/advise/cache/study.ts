/** What is known of a trace before any configuration is tried. */
import type { Ceiling, TraceFacts } from "../../core/cache-advice.ts";
import { DELETE, SET, WRITE, type CacheTrace } from "../../core/cache-trace.ts";
import { traceFacts } from "./facts.ts";
import { primed } from "./primed.ts";
import type { CacheQuestion } from "./question.ts";
import { entryBytesOf, overheadBytes } from "./redis/footprint.ts";
import { sampleTrace } from "./redis/sample-trace.ts";
import { prepareTrace, type PreparedTrace } from "./redis/simulate.ts";
import { ceilingOf } from "./tiers/ceiling.ts";
import { createLruCache } from "./tiers/lru-cache.ts";
import { staleShareByRate } from "./tiers/staleness.ts";
import { simulateTiers } from "./tiers/simulate.ts";

export interface Study {
  readonly question: CacheQuestion;
  /** With what the cache held when the capture began. */
  readonly trace: CacheTrace;
  /** Of the entry of each row. */
  readonly bytes: Float64Array;
  readonly facts: TraceFacts;
  readonly ceiling: Ceiling;
  /** What each simulation of a choice plays: the whole trace, or samples of its keys where it is long. */
  readonly simulated: readonly Simulated[];
  /** Mean time of loading a value, where the trace has it. */
  readonly costMsMean: number | undefined;
  /** Redis' memory that would hold every key: entries, tables, connections and what it takes empty. */
  readonly wholeBytes: number;
  /** Of that, what it takes without a key. */
  readonly emptyBytes: number;
  /** By factor of all times to live; undefined where the trace does not tell what changes. */
  readonly staleShareOf: (ttlFactor: number) => number | undefined;
}

export interface Simulated {
  readonly seed: number;
  readonly prepared: PreparedTrace;
}

const SEEDS = 3;
/** Accesses of one simulation: a second or two of computing for all seeds. */
const ROWS_SIMULATED_MAX = 1_000_000;

export function studyOf(question: CacheQuestion): Study {
  const trace = primed(question.trace);
  const bytes = entryBytesOf(trace, question.footprint);
  const facts = traceFacts(question.trace, entryBytesOf(question.trace, question.footprint));
  const { footprint, seed } = question;
  const keys = trace.keyCount / trace.sampledShare;
  const emptyBytes = footprint.startupBytes + overheadBytes();
  return {
    question,
    trace,
    bytes,
    facts,
    ceiling: ceilingOf(trace),
    simulated: simulatedOf(trace, footprint, seed),
    costMsMean: costMsMean(trace),
    wholeBytes:
      facts.workingSetBytes + footprint.tableBytes(keys, trace.ttlMs ? keys : 0) + emptyBytes,
    emptyBytes,
    staleShareOf: remembered((ttlFactor) => staleShare(question, trace, bytes, ttlFactor)),
  };
}

function simulatedOf(
  trace: CacheTrace,
  footprint: CacheQuestion["footprint"],
  seed: number,
): readonly Simulated[] {
  const seeds = Array.from({ length: SEEDS }, (_, index) => seed + index);
  const share = ROWS_SIMULATED_MAX / trace.rows;
  const whole = share < 1 ? undefined : prepareTrace(trace, footprint);
  return seeds.map((each) => ({
    seed: each,
    prepared: whole ?? prepareTrace(sampleTrace(trace, share, each), footprint),
  }));
}

function costMsMean({ costMs, rows }: CacheTrace): number | undefined {
  if (!costMs) return undefined;
  let sum = 0;
  let count = 0;
  for (let row = 0; row < rows; row += 1) {
    const cost = costMs[row] ?? 0;
    if (!(cost > 0)) continue;
    sum += cost;
    count += 1;
  }
  return count === 0 ? undefined : sum / count;
}

/** Memory unbounded, so never too low: what is evicted is not there to be stale. */
function staleShare(
  { changesPerKeyHour }: CacheQuestion,
  trace: CacheTrace,
  bytes: Float64Array,
  ttlFactor: number,
): number | undefined {
  const { operation } = trace;
  if (operation.includes(WRITE)) {
    const outcome = simulateTiers(trace, bytes, {
      processes: 1,
      l2: { ttlFactor, make: () => createLruCache({ bytesMax: undefined, ttlMs: 0 }) },
    });
    return outcome.staleShare;
  }
  if (changesPerKeyHour !== undefined)
    return staleShareByRate(trace, { ttlFactor, changesPerKeyHour });
  return operation.includes(DELETE) || operation.includes(SET) ? 0 : undefined;
}

function remembered<T>(valueOf: (key: number) => T): (key: number) => T {
  const known = new Map<number, T>();
  return (key) => {
    if (!known.has(key)) known.set(key, valueOf(key));
    const found = known.get(key);
    return found === undefined ? valueOf(key) : found;
  };
}
