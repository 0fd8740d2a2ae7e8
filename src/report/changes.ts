/** What happened to the real target: each change with its state at the journal's end, and the net difference from the baseline. */
import type { Entry } from "../core/event.ts";
import type { IndexDefinition } from "../core/index-definition.ts";
import type { Change, KnobValue } from "../core/knob.ts";
import type { StatisticsDefinition } from "../core/statistics-definition.ts";

export interface ChangeRecord {
  readonly id: string;
  readonly change: Change;
  /** `applying` and `reverting`: the journal ends before the outcome, so the target has to be looked at. */
  readonly state: "applying" | "applied" | "reverting" | "reverted";
  readonly detail: string;
  readonly seqs: readonly number[];
}

export interface NetKnob {
  readonly knob: string;
  readonly from: KnobValue;
  readonly to: KnobValue;
  readonly seqs: readonly number[];
}

export interface NetChanges {
  readonly knobs: readonly NetKnob[];
  readonly indexes: readonly {
    readonly index: IndexDefinition;
    readonly seqs: readonly number[];
  }[];
  readonly statistics: readonly {
    readonly statistics: StatisticsDefinition;
    readonly seqs: readonly number[];
  }[];
}

export function isNothing({ knobs, indexes, statistics }: NetChanges): boolean {
  return knobs.length + indexes.length + statistics.length === 0;
}

export function changeRecords(entries: readonly Entry[]): readonly ChangeRecord[] {
  const records = new Map<string, ChangeRecord>();
  for (const { seq, event } of entries) {
    if (event.type === "change-applying") {
      const { changeId: id, change } = event;
      records.set(id, { id, change, state: "applying", detail: "", seqs: [seq] });
    } else if (
      event.type === "change-applied" ||
      event.type === "change-reverting" ||
      event.type === "change-reverted"
    ) {
      const record = records.get(event.changeId);
      if (!record) continue;
      records.set(event.changeId, {
        ...record,
        state: stateAfter[event.type],
        detail: event.type === "change-reverting" ? record.detail : event.detail,
        seqs: [...record.seqs, seq],
      });
    }
  }
  return [...records.values()];
}

const stateAfter = {
  "change-applied": "applied",
  "change-reverting": "reverting",
  "change-reverted": "reverted",
} as const;

/** What remains of the applied changes: a knob that was set twice counts from its first value to its last. */
export function netChanges(records: readonly ChangeRecord[]): NetChanges {
  const knobs = new Map<string, NetKnob>();
  const indexes: NetChanges["indexes"][number][] = [];
  const statistics: NetChanges["statistics"][number][] = [];
  for (const { change, state, seqs } of records) {
    if (state !== "applied") continue;
    if (change.kind === "create-index") {
      indexes.push({ index: change.index, seqs });
      continue;
    }
    if (change.kind === "create-statistics") {
      statistics.push({ statistics: change.statistics, seqs });
      continue;
    }
    const earlier = knobs.get(change.knob);
    knobs.set(change.knob, {
      knob: change.knob,
      from: earlier ? earlier.from : change.from,
      to: change.to,
      seqs: [...(earlier?.seqs ?? []), ...seqs],
    });
  }
  return { knobs: [...knobs.values()].filter(({ from, to }) => from !== to), indexes, statistics };
}

/** The net changes as changes again. */
export function changesOf({ knobs, indexes, statistics }: NetChanges): readonly Change[] {
  return [
    ...knobs.map(({ knob, from, to }) => ({ kind: "set-knob" as const, knob, from, to })),
    ...indexes.map(({ index }) => ({ kind: "create-index" as const, index })),
    ...statistics.map((each) => ({
      kind: "create-statistics" as const,
      statistics: each.statistics,
    })),
  ];
}
