/** What is known of a trace before any configuration is tried. */
import type { Ceiling, TraceFacts } from "../../core/cache-advice.ts";
import { WRITE, type CacheTrace } from "../../core/cache-trace.ts";
import { traceFacts } from "./facts.ts";
import { primed } from "./primed.ts";
import type { CacheQuestion } from "./question.ts";
import { entryBytesOf, overheadBytes } from "./redis/footprint.ts";
import { prepareMiniature, type Miniature } from "./redis/miniature.ts";
import { sharesFor, wholeTrace } from "./redis/whole-trace.ts";
import { ceilingOf } from "./tiers/ceiling.ts";
import { changesOf, getsByPrefix } from "./tiers/gets.ts";
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
  /** What each simulation of a choice plays: the whole trace, or samples of its keys, and its first rows, where it is long. */
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
  readonly miniature: Miniature;
}

const SEEDS = 3;
/** Accesses of one simulation: a second or two of computing for all seeds. */
const ROWS_SIMULATED_MAX = 1_000_000;

export function studyOf(question: CacheQuestion): Study {
  const captured = faster(question.trace, question.speed ?? 1);
  const trace = primed(captured);
  const bytes = entryBytesOf(trace, question.footprint);
  const facts = traceFacts(captured, entryBytesOf(captured, question.footprint));
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
  const { keys, rows } = sharesFor(trace, ROWS_SIMULATED_MAX);
  const whole = wholeTrace(trace, footprint, rows);
  return Array.from({ length: SEEDS }, (_, index) => ({
    seed: seed + index,
    miniature: prepareMiniature(whole, { share: keys, seed: seed + index }),
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

/** Redis' clock and times to live do not go faster with the accesses. */
function faster(trace: CacheTrace, speed: number): CacheTrace {
  return speed === 1 ? trace : { ...trace, timeMs: trace.timeMs.map((at) => at / speed) };
}

/** Memory unbounded, so never too low: what is evicted is not there to be stale. */
function staleShare(
  { changesPerKeyHour, trace: captured }: CacheQuestion,
  trace: CacheTrace,
  bytes: Float64Array,
  ttlFactor: number,
): number | undefined {
  if (trace.operation.includes(WRITE)) {
    const outcome = simulateTiers(trace, bytes, {
      processes: 1,
      l2: { ttlFactor, make: () => createLruCache({ bytesMax: undefined, ttlMs: 0 }) },
    });
    return outcome.staleShare;
  }
  if (changesPerKeyHour !== undefined)
    return staleShareByRate(trace, { ttlFactor, changesPerKeyHour });
  return tellsChanges(captured) ? 0 : undefined;
}

/** Kinds of keys with fewer gets do not count. */
const KIND_LEAST = 0.01;

/** Whether the cache is told of changes: every kind of key that counts was invalidated or stored again at least once. */
function tellsChanges(trace: CacheTrace): boolean {
  const gets = getsByPrefix(trace);
  const all = gets.reduce((sum, each) => sum + each, 0);
  const told = new Uint8Array(trace.prefixes.length);
  const changes = changesOf(trace);
  for (let row = 0; row < trace.rows; row += 1)
    if (changes(row)) told[trace.prefixOf[trace.key[row] ?? 0] ?? 0] = 1;
  return gets.every((each, prefix) => each < all * KIND_LEAST || told[prefix] === 1);
}

function remembered<T>(valueOf: (key: number) => T): (key: number) => T {
  const known = new Map<number, { readonly value: T }>();
  return (key) => {
    const found = known.get(key) ?? { value: valueOf(key) };
    known.set(key, found);
    return found.value;
  };
}
