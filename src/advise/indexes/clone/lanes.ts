/** Hands out the lanes of a clone, to one user at a time each. */
import { dropForgotten } from "./hypothetical.ts";
import type { Lane } from "./lane.ts";

export interface Lanes {
  readonly all: readonly Lane[];
  use<T>(work: (lane: Lane) => Promise<T>): Promise<T>;
}

/** Whoever comes first is served first. */
export function createLanes(all: readonly Lane[]): Lanes {
  const free = [...all];
  const waiting: ((lane: Lane) => void)[] = [];
  return {
    all,
    async use(work) {
      const lane = free.pop() ?? (await new Promise<Lane>((resolve) => waiting.push(resolve)));
      try {
        if (lane.dropping.size > 0) await dropForgotten(lane);
        return await work(lane);
      } finally {
        const next = waiting.shift();
        if (next === undefined) free.push(lane);
        else next(lane);
      }
    },
  };
}
