/** What an allocation of some bytes takes, by the allocator that a Redis server was built with. */

export type ClassesOfAllocator = "jemalloc-16" | "jemalloc-8" | "libc";

/** Rounds a size up to what the allocator hands out for it. */
export type RoundUp = (bytes: number) => number;

/**
 * jemalloc has four classes to each doubling; below, steps of its quantum. Its default quantum on x86-64 is 16 bytes (2^4), which
 * distributions' packages have; the copy that Redis bundles is built `--with-lg-quantum=3` (deps/Makefile): 8, 16, 24, 32, 40, ...
 */
export const roundUpOf: Readonly<Record<ClassesOfAllocator, RoundUp>> = {
  "jemalloc-16": (bytes) => jemalloc(bytes, 16),
  "jemalloc-8": (bytes) => jemalloc(bytes, 8),
  libc: glibc,
};

/**
 * From INFO's mem_allocator. Distributions link the system's jemalloc, whose quantum is 16; the bundled copy calls itself 5.1.0 up to
 * Redis 7.0 (deps/Makefile) and 5.3.0 later, as the system's may: 16 is then the assumption, and a calibration decides. Only
 * Debian's has been compared with a server.
 */
export function classesOf(memAllocator: string | undefined): ClassesOfAllocator {
  if (memAllocator === undefined) return "jemalloc-16";
  if (memAllocator.startsWith("jemalloc-5.1.")) return "jemalloc-8";
  return memAllocator.startsWith("jemalloc") ? "jemalloc-16" : "libc";
}

function jemalloc(bytes: number, quantum: number): number {
  if (bytes <= 8) return 8;
  // 8 is a class of its own with either quantum; then come steps of the quantum, up to eight of them.
  const steps = 8 * quantum;
  if (bytes <= steps) return Math.ceil(bytes / quantum) * quantum;
  const step = 2 ** (Math.ceil(Math.log2(bytes)) - 3);
  return Math.ceil(bytes / step) * step;
}

/** malloc_usable_size, which Redis counts with: chunks of 16 bytes, 8 of which are glibc's own; 24 is the least. */
function glibc(bytes: number): number {
  return Math.max(24, Math.ceil((bytes + 8) / 16) * 16 - 8);
}
