// Collects records into batches and has several written at a time: those of one run or model one after the other, in the order of the file.

import type { Batch, Outcome } from "./batch.ts";

export type Lanes = {
  /** The batch that takes the next record of this run or model. */
  readonly batchFor: (group: string) => LaneBatch;
  /** Hands it over to be written; resolves when there is room for more. Rejects when a batch failed. */
  readonly handOver: (batch: LaneBatch) => Promise<void>;
  /** Hands over what there is and waits for all of it. */
  readonly finish: () => Promise<void>;
  /** Waits for the batches that are being written; those that wait are dropped. */
  readonly abandon: () => Promise<void>;
};

export type LaneBatch = { readonly lane: number; readonly batch: Batch; chars: number };

export type LanesOptions = {
  readonly parallel: number;
  readonly inFlight: number;
  readonly createBatch: () => Batch;
  readonly write: (batch: Batch) => Promise<Outcome>;
  readonly onWritten: (outcome: Outcome) => void;
  /** It may have been committed all the same. */
  readonly onFailed: (batch: Batch) => void;
};

export function createLanes({
  parallel,
  inFlight,
  createBatch,
  write,
  onWritten,
  onFailed,
}: LanesOptions): Lanes {
  const filling: (LaneBatch | undefined)[] = Array.from({ length: parallel });
  const tails: Promise<void>[] = Array.from({ length: parallel }, () => Promise.resolve());
  // The columns of a batch are filled again: a new set for each batch would be most of the old generation's growth.
  const spare: Batch[] = [];
  let failure: { readonly error: unknown } | undefined;
  let unwritten = 0;
  let wake: (() => void) | undefined;
  const laneOf = createLaneChoice(parallel);

  async function writeNext(batch: Batch): Promise<void> {
    try {
      if (failure === undefined) onWritten(await write(batch));
    } catch (error) {
      failure ??= { error };
      onFailed(batch);
    }
    batch.clear();
    spare.push(batch);
    unwritten -= 1;
    if (!isFull()) wake?.();
  }

  function isFull(): boolean {
    return unwritten >= inFlight && failure === undefined;
  }

  function submit(one: LaneBatch): void {
    filling[one.lane] = undefined;
    unwritten += 1;
    const before = tails[one.lane] ?? Promise.resolve();
    tails[one.lane] = before.then(() => writeNext(one.batch));
  }

  function check(): void {
    if (failure !== undefined) throw failure.error;
  }

  return {
    batchFor(group) {
      const lane = laneOf(group);
      return (filling[lane] ??= { lane, batch: spare.pop() ?? createBatch(), chars: 0 });
    },
    async handOver(batch) {
      submit(batch);
      // At most one record is being taken, so at most one waits here.
      if (isFull())
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      check();
    },
    async finish() {
      for (const one of filling) if (one !== undefined && one.batch.rows() > 0) submit(one);
      await Promise.all(tails);
      check();
    },
    async abandon() {
      failure ??= { error: new Error("The import was given up.") };
      await Promise.all(tails);
    },
  };
}

/** Records of a run mostly follow each other, so that its lane is looked up once. */
function createLaneChoice(parallel: number): (group: string) => number {
  let lastGroup: string | undefined;
  let lastLane = 0;
  return (group) => {
    if (group !== lastGroup) {
      lastGroup = group;
      lastLane = parallel === 1 ? 0 : hashOf(group) % parallel;
    }
    return lastLane;
  };
}

/** FNV-1a, 32 bits. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1)
    hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return hash >>> 0;
}
