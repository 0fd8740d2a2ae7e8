/** Think times in words. */
import { formatDuration } from "./units.ts";
import type { ThinkTime } from "./workload.ts";

/** `1.00 s of think time on average (exponential)`. */
export function thinkInWords(think: ThinkTime): string {
  switch (think.kind) {
    case "fixed":
      return think.ms === 0 ? "no think time" : `${formatDuration(think.ms)} of think time`;
    case "uniform":
      return `${formatDuration(think.minMs)} to ${formatDuration(think.maxMs)} of think time`;
    case "exponential":
      return `${formatDuration(think.meanMs)} of think time on average (exponential)`;
  }
}
