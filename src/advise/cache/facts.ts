/** What a trace is about, in numbers: gets, keys, length, and the bytes that all of its keys would take. */
import type { TraceFacts } from "../../core/cache-advice.ts";
import { GET, OUTCOME_HIT, OUTCOME_UNKNOWN, type CacheTrace } from "../../core/cache-trace.ts";

/** `bytes`: of the entry of each row. */
export function traceFacts(trace: CacheTrace, bytes: Float64Array): TraceFacts {
  const { rows, operation, outcome, sampledShare, timeMs } = trace;
  let gets = 0;
  let known = 0;
  let hits = 0;
  for (let row = 0; row < rows; row += 1) {
    if (operation[row] !== GET) continue;
    gets += 1;
    const how = outcome?.[row] ?? OUTCOME_UNKNOWN;
    if (how !== OUTCOME_UNKNOWN) known += 1;
    if (how === OUTCOME_HIT) hits += 1;
  }
  const lengthMs = rows === 0 ? 0 : (timeMs[rows - 1] ?? 0) - (timeMs[0] ?? 0);
  const getsOfAll = trace.getsOfAll ?? gets / sampledShare;
  return {
    source: trace.source,
    rows,
    gets,
    keys: trace.keyCount,
    lengthMs,
    getsPerSecond: lengthMs > 0 ? (getsOfAll * 1_000) / lengthMs : 0,
    sampledShare,
    processes: trace.processes,
    workingSetBytes: workingSetOf(trace, bytes) / sampledShare,
    ...(known > gets / 2 ? { hitRateCaptured: hits / known } : {}),
  };
}

/** Each key with the bytes of its last row. */
function workingSetOf({ rows, key, keyCount }: CacheTrace, bytes: Float64Array): number {
  const last = new Float64Array(keyCount);
  for (let row = 0; row < rows; row += 1) last[key[row] ?? 0] = bytes[row] ?? 0;
  return last.reduce((sum, each) => sum + each, 0);
}
