/** How gets ended, where a source shows every command but no replies: what missed was stored next. */
import { GET, OUTCOME_HIT, OUTCOME_MISS, OUTCOME_UNKNOWN, SET } from "../../../core/cache-trace.ts";
import type { Columns } from "./columns.ts";

/** A load that takes longer is taken for something else. */
const LOAD_WITHIN_MS = 10_000;

/**
 * A get that is followed by a store of its key, before anything else happens to it, missed. Any other get of a key that was stored
 * at some time, or whose size is known, hit; of keys that were never stored nothing is said. Rows must be sorted by time.
 */
export function inferOutcomes(columns: Columns, keyCount: number): void {
  const { rows, key, operation, timeMs, valueBytes } = columns;
  const known = new Uint8Array(keyCount);
  for (let row = 0; row < rows; row += 1)
    if (operation[row] === SET || (valueBytes[row] ?? 0) > 0) known[key[row] ?? 0] = 1;
  const outcome = (columns.outcome ??= new Uint8Array(timeMs.length));
  // Of each key, the row (+ 1) that comes next.
  const next = new Uint32Array(keyCount);
  for (let row = rows - 1; row >= 0; row -= 1) {
    const id = key[row] ?? 0;
    const after = (next[id] ?? 0) - 1;
    if (operation[row] === GET && outcome[row] === OUTCOME_UNKNOWN && known[id] === 1) {
      const stored =
        after >= 0 &&
        operation[after] === SET &&
        (timeMs[after] ?? 0) - (timeMs[row] ?? 0) <= LOAD_WITHIN_MS;
      outcome[row] = stored ? OUTCOME_MISS : OUTCOME_HIT;
    }
    next[id] = row + 1;
  }
}
