/** What writers and readers of several processes did, held against how old a read may be. */

/** One write of a key's next version, sent to one process. All times are of one clock, in milliseconds. */
export interface Write {
  readonly key: string;
  readonly version: number;
  readonly process: number;
  readonly startMs: number;
  /** Infinity if it was never answered, or with an error: it may have been made or not. */
  readonly endMs: number;
}

/** One key's version as one answer showed it. */
export interface Read {
  readonly key: string;
  readonly version: number;
  readonly process: number;
  /** The request: what is cached is its answer. */
  readonly request: string;
  readonly startMs: number;
  readonly endMs: number;
}

export interface History {
  readonly writes: readonly Write[];
  readonly reads: readonly Read[];
}

/** How long after a write was answered a read that begins may miss it, in milliseconds. */
export type Promised = (read: Read, write: Write) => number;

export interface Violation {
  readonly kind: "too old" | "never written";
  readonly read: Read;
  /** How long ago the oldest write that the read misses had been answered when it began. */
  readonly ageMs: number;
}

export interface Verdict {
  readonly reads: number;
  /** Reads that missed a write that was answered before they began, within the promise or not. */
  readonly old: number;
  readonly ageMaxMs: number;
  /** The same among reads at the process that wrote. */
  readonly ageMaxOwnMs: number;
  /** Reads that show less than an earlier one of the same request at the same process; not promised, but rare. */
  readonly wentBack: number;
  readonly violations: readonly Violation[];
}

/** Each key must have one writer at a time and rising versions from 1 on; version 0 is what was there before. */
export function checkHistory({ writes, reads }: History, promised: Promised): Verdict {
  const writesByKey = groupBy(
    writes.toSorted((a, b) => a.version - b.version),
    ({ key }) => key,
  );
  const violations: Violation[] = [];
  let [old, ageMaxMs, ageMaxOwnMs] = [0, 0, 0];
  for (const read of reads) {
    const ofKey = writesByKey.get(read.key) ?? [];
    const missed = missedBy(read, ofKey);
    const age = (write: Write): number => read.startMs - write.endMs;
    const ageMs = Math.max(0, ...missed.map(age));
    const ageOwnMs = Math.max(
      0,
      ...missed.filter(({ process }) => process === read.process).map(age),
    );
    old += Number(missed.length > 0);
    ageMaxMs = Math.max(ageMaxMs, ageMs);
    ageMaxOwnMs = Math.max(ageMaxOwnMs, ageOwnMs);
    if (missed.some((write) => age(write) > promised(read, write)))
      violations.push({ kind: "too old", read, ageMs });
    if (!isWritten(read, ofKey)) violations.push({ kind: "never written", read, ageMs });
  }
  return {
    reads: reads.length,
    old,
    ageMaxMs,
    ageMaxOwnMs,
    wentBack: wentBack(reads).length,
    violations,
  };
}

/** The writes that were answered before the read began and whose version, or a later one, it does not show. */
function missedBy(read: Read, ofKey: readonly Write[]): readonly Write[] {
  const missed: Write[] = [];
  for (let at = ofKey.length - 1; at >= 0; at -= 1) {
    const write = ofKey[at];
    if (write === undefined || write.version <= read.version) break;
    if (write.endMs <= read.startMs) missed.push(write);
  }
  return missed;
}

function isWritten(read: Read, ofKey: readonly Write[]): boolean {
  if (read.version === 0) return true;
  const write = ofKey.find(({ version }) => version === read.version);
  return write !== undefined && write.startMs <= read.endMs;
}

/** Reads that show less than one of the same request at the same process that had ended before they began. */
function wentBack(reads: readonly Read[]): readonly Read[] {
  const groups = groupBy(reads, ({ key, process, request }) => `${process} ${key} ${request}`);
  return [...groups.values()].flatMap((group) => {
    const ended = group.toSorted((a, b) => a.endMs - b.endMs);
    let [next, seen] = [0, 0];
    return group
      .toSorted((a, b) => a.startMs - b.startMs)
      .filter((read) => {
        for (; (ended[next]?.endMs ?? Infinity) <= read.startMs; next += 1)
          seen = Math.max(seen, ended[next]?.version ?? 0);
        return read.version < seen;
      });
  });
}

function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(keyOf(item));
    if (group === undefined) groups.set(keyOf(item), [item]);
    else group.push(item);
  }
  return groups;
}
