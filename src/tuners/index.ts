/** The tuners that this version has; a strategy names one by its id. */
import { aggregateIndexes } from "./aggregate-indexes.ts";
import { asyncProcessing } from "./async-processing.ts";
import { backpressure } from "./backpressure.ts";
import { batch } from "./batch.ts";
import { connectionPool } from "./connection-pool.ts";
import { indexAdvisor } from "./index-advisor.ts";
import { jobQueue } from "./job-queue.ts";
import { loadBalancing } from "./load-balancing.ts";
import { memory } from "./memory.ts";
import { microCache } from "./micro-cache.ts";
import { parallelism } from "./parallelism.ts";
import { redisMemory } from "./redis-memory.ts";
import { threadPool } from "./thread-pool.ts";
import type { AnyTuner } from "./tuner.ts";

export const tuners: readonly AnyTuner[] = [
  microCache,
  indexAdvisor,
  connectionPool,
  redisMemory,
  backpressure,
  asyncProcessing,
  threadPool,
  jobQueue,
  loadBalancing,
  batch,
  aggregateIndexes,
  memory,
  parallelism,
];

export function tunerOf(id: string): AnyTuner | undefined {
  return tuners.find((tuner) => tuner.id === id);
}
