/** Which windows were under another load than the run's own: those of phases under overload, and probes that ask for a load of their own. */
import type { Entry } from "../core/event.ts";
import { linesOf } from "./lines.ts";

/** Their journal lines. */
export function otherLoads(entries: readonly Entry[]): ReadonlySet<number> {
  const [start] = linesOf(entries, "run-started");
  const overloaded = new Set(
    start?.event.persona.strategies.flatMap(({ name, overload }) => (overload ? [name] : [])),
  );
  const seqs = new Set<number>();
  // Candidates of two phases may have the same id: the trial that was begun last is meant.
  let block: string | undefined;
  for (const { seq, event } of entries) {
    if (event.type === "trial-started")
      block = overloaded.has(event.phase) ? event.candidate.id : undefined;
    const isOther =
      (event.type === "sampled" && event.block === block) ||
      (event.type === "observed" && overloaded.has(event.phase)) ||
      (event.type === "probed" && (overloaded.has(event.phase) || event.load !== undefined));
    if (isOther) seqs.add(seq);
  }
  return seqs;
}
