/** The best guess of the limit: where the worst objective would be exactly at its limit, read between the ends of the bracket. */
import { lineThrough } from "./line.ts";
import type { SearchState } from "./search.ts";
import type { LoadVerdict } from "./verdict.ts";

/** Undefined when no window could be used. Only one end is known: that end. */
export function estimateOf({ verdicts, holds, breaks }: SearchState): number | undefined {
  if (!holds || !breaks) return holds?.load ?? breaks?.load ?? nearest(verdicts);
  const line = lineThrough(
    verdicts.filter(({ load }) => load >= holds.load && load <= breaks.load),
  );
  if (!line) return Math.sqrt(holds.load * breaks.load);
  return Math.max(holds.load, Math.min(breaks.load, Math.exp(line.crossing)));
}

/** When nothing was clear. */
function nearest(verdicts: readonly LoadVerdict[]): number | undefined {
  const [first, ...others] = verdicts.filter(({ windows }) => windows > 0);
  return first && others.reduce((a, b) => (awayFrom(b) < awayFrom(a) ? b : a), first).load;
}

function awayFrom({ worst }: LoadVerdict): number {
  return Math.abs(worst?.distance ?? Infinity);
}
