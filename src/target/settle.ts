/** Waits for the jobs that a window left in the service's queue, so that no window works off another one's. */
import { setTimeout as delay } from "node:timers/promises";
import type { Sources } from "./counters.ts";
import { scrape } from "./prometheus.ts";

const POLL_MS = 100;
/** Jobs that fail are tried again after pauses: longer than this is not waited for, and the next window's depth shows what was left. */
const SETTLE_MS_MAX = 20_000;

/** Returns at once for services that do not tell of a queue, and when their page cannot be read: the window after it will say so. */
export async function settleJobs(
  { sources: { metrics } }: { readonly sources: Pick<Sources, "metrics"> },
  signal: AbortSignal,
): Promise<void> {
  if (!metrics || metrics.series.queueWaiting === undefined) return;
  const deadline = performance.now() + SETTLE_MS_MAX;
  while (!signal.aborted && performance.now() < deadline) {
    const { queueWaiting = 0, queueActive = 0 } = await scrape(metrics).catch(() => ({
      queueWaiting: 0,
      queueActive: 0,
    }));
    if (queueWaiting + queueActive === 0) return;
    await delay(POLL_MS);
  }
}
