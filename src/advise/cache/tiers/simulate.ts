/**
 * Plays a trace through all tiers at once: an L1 in each process, whose misses are all that L2 sees, whose misses are all that
 * L3 sees. A curve of L2 alone would be drawn from gets that L1 takes away.
 */
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { uniformInt } from "pure-rand/distribution/uniformInt";
import { DELETE, GET, SET, type CacheTrace } from "../../../core/cache-trace.ts";
import { COLD, HIT, type GetOutcome } from "../simulated-cache.ts";
import { costsOf } from "./costs.ts";
import { showsChanges } from "./gets.ts";
import { createDurationCounts, type DurationCounts } from "./quantiles.ts";
import { createStack, type Stack } from "./stack.ts";
import {
  createTally,
  FROM_L1,
  FROM_L2,
  FROM_L3,
  JOINED,
  LOADED,
  type AnswerSource,
  type Tally,
} from "./tally.ts";
import type { TierOutcome, TierSetup } from "./tier-setup.ts";

/** `bytes`: of the entry in L2, by row. */
export function simulateTiers(
  trace: CacheTrace,
  bytes: Float64Array,
  setup: TierSetup,
): TierOutcome {
  const ages = createAges();
  const costs = costsOf(trace);
  const { singleFlight } = setup;
  const tally = createTally(trace, {
    costs: costs !== undefined || singleFlight !== undefined,
    changes: showsChanges(trace),
    allRows: setup.counted === undefined,
  });
  const stack = createStack(trace, bytes, setup, ages);
  const costOf = costs ?? (() => singleFlight?.loadMs ?? 0);
  const get = createReader(trace, stack, { hitAges: ages.hit, tally, costOf }, setup.counted);
  const processOf = processes(trace, setup);
  for (let row = 0; row < trace.rows; row += 1) {
    const operation = trace.operation[row];
    if (operation === GET) get(row, processOf(row));
    else if (operation === SET) stack.set(row, processOf(row));
    else if (operation === DELETE) stack.delete(row, processOf(row));
    else stack.change(row);
  }
  const hitAgeMs = ages.hit.quantiles();
  const l1EvictionAgeMs = ages.l1Eviction.quantiles();
  const l2EvictionAgeMs = ages.l2Eviction.quantiles();
  return {
    ...tally.all(),
    byPrefix: tally.byPrefix(),
    ...(hitAgeMs ? { hitAgeMs } : {}),
    ...(l1EvictionAgeMs ? { l1EvictionAgeMs } : {}),
    ...(l2EvictionAgeMs ? { l2EvictionAgeMs } : {}),
  };
}

interface Ages {
  readonly hit: DurationCounts;
  readonly l1Eviction: DurationCounts;
  readonly l2Eviction: DurationCounts;
}

function createAges(): Ages {
  return {
    hit: createDurationCounts(),
    l1Eviction: createDurationCounts(),
    l2Eviction: createDurationCounts(),
  };
}

/** As the trace says, where it is of as many processes as are asked for; else drawn, as a load balancer would. */
function processes(trace: CacheTrace, setup: TierSetup): (row: number) => number {
  const count = Math.max(1, setup.processes);
  const column = trace.process;
  if (count === 1) return () => 0;
  if (column && trace.processes === count) return (row) => column[row] ?? 0;
  const random = xoroshiro128plus(setup.seed ?? 1);
  return () => uniformInt(random, 0, count - 1);
}

interface Findings {
  readonly hitAges: DurationCounts;
  readonly tally: Tally;
  readonly costOf: (row: number) => number;
}

/**
 * Values are stored at the moment that their load begins, as in every other simulation; while it is under way they count as
 * not there for whoever did not have them before.
 */
function createReader(
  trace: CacheTrace,
  stack: Stack,
  findings: Findings,
  counted: Uint8Array | undefined,
): (row: number, process: number) => void {
  const { key, timeMs, prefixOf } = trace;
  const { l1, l2, flights } = stack;
  const { hitAges, tally, costOf } = findings;

  function answer(row: number, from: AnswerSource, loadedBy: number): void {
    if (counted && counted[row] === 0) return;
    const id = key[row] ?? 0;
    tally.get(prefixOf[id] ?? 0, from, stack.isStale(id, loadedBy));
    if (from !== JOINED) hitAges.add((timeMs[row] ?? 0) - (timeMs[loadedBy - 1] ?? 0));
  }
  function load(row: number, process: number, why: GetOutcome): void {
    stack.storeL3(row, row + 1);
    stack.storeL2(row, row + 1);
    stack.storeL1(row, process, row + 1);
    if (counted && counted[row] === 0) return;
    const prefix = prefixOf[key[row] ?? 0] ?? 0;
    tally.get(prefix, LOADED, false);
    tally.load(prefix, why, costOf(row));
  }

  return (row, process) => {
    const id = key[row] ?? 0;
    const now = timeMs[row] ?? 0;
    const underWay = flights?.underWay(id, now) ?? false;
    if (flights && underWay && flights.joins(id, process)) {
      answer(row, JOINED, flights.loadedBy(id));
      return;
    }
    let why: GetOutcome = COLD;
    const own = l1[process];
    if (own) {
      why = own.cache.get(id, now);
      if (why === HIT) return answer(row, FROM_L1, own.loadedBy[id] ?? 0);
    }
    if (flights && underWay) {
      flights.alongside(id, process);
      return load(row, process, flights.why(id));
    }
    if (l2) {
      why = l2.cache.get(id, now);
      if (why === HIT) {
        const loadedBy = l2.loadedBy[id] ?? 0;
        stack.storeL1(row, process, loadedBy);
        return answer(row, FROM_L2, loadedBy);
      }
    }
    const l3 = stack.l3Of(id);
    if (l3) {
      why = l3.cache.get(id, now);
      if (why === HIT) {
        const loadedBy = l3.loadedBy[id] ?? 0;
        stack.storeL2(row, loadedBy);
        stack.storeL1(row, process, loadedBy);
        return answer(row, FROM_L3, loadedBy);
      }
    }
    flights?.start(id, process, { endMs: now + costOf(row), why, loadedBy: row + 1 });
    load(row, process, why);
  };
}
