/** What a sequence changed in all: each knob from its first value to its last, with the runs that set it. */
import type { KnobValue } from "../../core/knob.ts";
import { isNothing, netChanges, type ChangeRecord, type NetChanges } from "../changes.ts";
import type { Part } from "./summary.ts";

/** One run's own net change of a knob. */
export interface Setting {
  readonly persona: string;
  readonly title: string;
  readonly from: KnobValue;
  readonly to: KnobValue;
  readonly seqs: readonly number[];
}

export interface SequenceNet {
  /** Of all runs together; journal lines are those of `madeBy`, since each run has a journal of its own. */
  readonly changes: NetChanges;
  /** Who made a change: by `knob ID`, `index NAME`, `statistics NAME`. */
  readonly madeBy: ReadonlyMap<string, readonly Pick<Setting, "persona" | "seqs">[]>;
  /** Knobs that more than one run set, in the order of the runs. */
  readonly contested: readonly { readonly knob: string; readonly settings: readonly Setting[] }[];
}

export function netOf(parts: readonly Part[]): SequenceNet {
  const records: readonly ChangeRecord[] = parts.flatMap(({ summary }) => summary?.changes ?? []);
  const madeBy = new Map<string, Pick<Setting, "persona" | "seqs">[]>();
  const settings = new Map<string, Setting[]>();
  for (const { name, title, summary } of parts) {
    if (!summary) continue;
    for (const { knob, from, to, seqs } of summary.net.knobs) {
      push(madeBy, `knob ${knob}`, { persona: name, seqs });
      push(settings, knob, { persona: name, title, from, to, seqs });
    }
    for (const { index, seqs } of summary.net.indexes)
      push(madeBy, `index ${index.name}`, { persona: name, seqs });
    for (const { statistics, seqs } of summary.net.statistics)
      push(madeBy, `statistics ${statistics.name}`, { persona: name, seqs });
  }
  return {
    changes: netChanges(records),
    madeBy,
    contested: [...settings]
      .filter(([, all]) => all.length > 1)
      .map(([knob, all]) => ({ knob, settings: all })),
  };
}

/** Whether the runs after this one left something applied: what was measured in it was measured before that. */
export function changedLater(parts: readonly Part[], part: Part): readonly Part[] {
  return parts.slice(parts.indexOf(part) + 1).filter(keptSomething);
}

/** Whether this run began with what others of the sequence had kept. */
export function changedEarlier(parts: readonly Part[], part: Part): readonly Part[] {
  return parts.slice(0, parts.indexOf(part)).filter(keptSomething);
}

export function keptSomething({ summary }: Part): boolean {
  return summary !== undefined && !isNothing(summary.net);
}

function push<T>(map: Map<string, T[]>, key: string, value: T): void {
  map.set(key, [...(map.get(key) ?? []), value]);
}
