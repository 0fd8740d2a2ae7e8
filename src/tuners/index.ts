/** The tuners that this version has; a strategy names one by its id. */
import { connectionPool } from "./connection-pool.ts";
import { indexAdvisor } from "./index-advisor.ts";
import { microCache } from "./micro-cache.ts";
import { redisMemory } from "./redis-memory.ts";
import type { AnyTuner } from "./tuner.ts";

export const tuners: readonly AnyTuner[] = [microCache, indexAdvisor, connectionPool, redisMemory];

export function tunerOf(id: string): AnyTuner | undefined {
  return tuners.find((tuner) => tuner.id === id);
}
