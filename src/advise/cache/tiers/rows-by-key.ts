/** Rows of a trace in order of their key, each key's in order of time. */
import type { CacheTrace } from "../../../core/cache-trace.ts";

export interface RowsByKey {
  /** The rows of key k are `row[start[k]]` to `row[start[k + 1] - 1]`. */
  readonly start: Uint32Array;
  readonly row: Uint32Array;
}

export function rowsByKey(trace: Pick<CacheTrace, "rows" | "key" | "keyCount">): RowsByKey {
  const { rows, key, keyCount } = trace;
  const start = new Uint32Array(keyCount + 1);
  for (let at = 0; at < rows; at += 1) {
    const next = (key[at] ?? 0) + 1;
    start[next] = (start[next] ?? 0) + 1;
  }
  for (let id = 0; id < keyCount; id += 1) start[id + 1] = (start[id + 1] ?? 0) + (start[id] ?? 0);
  const place = start.slice(0, keyCount);
  const row = new Uint32Array(rows);
  for (let at = 0; at < rows; at += 1) {
    const id = key[at] ?? 0;
    const to = place[id] ?? 0;
    row[to] = at;
    place[id] = to + 1;
  }
  return { start, row };
}
