/** What stands around maxmemory: how entries' sizes are known, room for a save by fork, and where tables double. */
import type { CacheChoice, MemoryAdvice } from "../../core/cache-advice.ts";
import { formatBytes } from "../../core/units.ts";
import type { Study } from "./study.ts";

/** Beside maxmemory: fragmentation, buffers, and pages that are copied while a child saves (research/cache.md section 4). */
const CONTAINER_FACTOR = 1.3;
/** A table that would double with so few more keys is worth a word. */
const NEAR_DOUBLING = 1.1;

export function memoryAdvice(study: Study, choice: CacheChoice | undefined): MemoryAdvice {
  const { footprint } = study.question;
  const words: string[] = [];
  if (!choice) return { footprint: footprint.facts, words };
  const containerBytes = Math.ceil(choice.maxmemoryBytes * CONTAINER_FACTOR);
  words.push(
    `a save by fork (BGSAVE, AOF rewrite) copies each page that is written meanwhile: up to ${formatBytes(choice.maxmemoryBytes)} more while it runs; without persistence nothing of that`,
  );
  const keys = Math.round(study.trace.keyCount / study.trace.sampledShare);
  const slots = 2 ** Math.ceil(Math.log2(Math.max(1, keys)));
  if (slots < keys * NEAR_DOUBLING && keys > 1_000) {
    words.push(
      `with ${keys} keys the table is close to doubling (${formatBytes(slots * 8)} more at ${slots} keys)`,
    );
  }
  return { footprint: footprint.facts, containerBytes, words };
}
