/** What stands around maxmemory: how entries' sizes are known, room for a save by fork, and where tables double. */
import type { CacheChoice, MemoryAdvice } from "../../core/cache-advice.ts";
import { formatBytes } from "../../core/units.ts";
import type { Study } from "./study.ts";

/** Beside maxmemory: fragmentation, buffers, and pages that are copied while a child saves (research/cache.md section 4). */
const CONTAINER_FACTOR = 1.3;
/** Of an idle server beyond what it counts as used: program, libraries, stacks (7 MB on Redis 7.0.15). */
const PROCESS_BYTES = 8 * 1024 ** 2;
/** A table that would double with so few more keys is worth a word. */
const NEAR_DOUBLING = 1.1;

export function memoryAdvice(study: Study, choice: CacheChoice | undefined): MemoryAdvice {
  const { footprint } = study.question;
  const words: string[] = [];
  if (!choice) return { footprint: footprint.facts, words };
  const containerBytes = Math.ceil(choice.maxmemoryBytes * CONTAINER_FACTOR) + PROCESS_BYTES;
  words.push(
    `a save by fork (BGSAVE, AOF rewrite) copies each page that is written meanwhile: up to ${formatBytes(choice.maxmemoryBytes)} more while it runs; without persistence nothing of that`,
  );
  const keys = Math.round(residentKeys(study, choice));
  const slots = 2 ** Math.ceil(Math.log2(Math.max(1, keys)));
  if (slots < keys * NEAR_DOUBLING && keys > 1_000) {
    words.push(
      `with ${keys} keys the table is close to doubling (${formatBytes(slots * 8)} more at ${slots} keys)`,
    );
  }
  return { footprint: footprint.facts, containerBytes, words };
}

/** What fits, and not more than there are. */
function residentKeys(
  { trace, facts, emptyBytes }: Study,
  { maxmemoryBytes }: CacheChoice,
): number {
  const all = trace.keyCount / trace.sampledShare;
  const room = Math.max(0, maxmemoryBytes - emptyBytes) / Math.max(1, facts.workingSetBytes);
  return all * Math.min(1, room);
}
