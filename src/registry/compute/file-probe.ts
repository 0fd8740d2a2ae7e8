// Times a tiny asynchronous file operation now and then: it waits behind whatever occupies libuv's threads.

import { stat } from "node:fs";

const INTERVAL_MS = 250;

/**
 * Starts probing; the returned function stops. What is timed ends on the event loop, so a blocked loop shows here too: read it beside the
 * loop's delay. While one probe waits no other is sent, so a jam of seconds is one long time and not many.
 */
export function probeFiles(probed: (seconds: number) => void): () => void {
  let underWay = false;
  const timer = setInterval(() => {
    if (underWay) return;
    underWay = true;
    const startedMs = performance.now();
    // Whether it is found does not matter, and the executable's entry is in the kernel's memory.
    stat(process.execPath, () => {
      underWay = false;
      probed((performance.now() - startedMs) / 1000);
    });
  }, INTERVAL_MS);
  timer.unref();
  return () => clearInterval(timer);
}
