// Tells the other processes that work on the same queue that jobs come, so that those that sleep wake up.

import { randomUUID } from "node:crypto";
import { connect } from "./tickets.ts";

export type Bell = {
  /** Costs a command now and then while jobs come; those that miss it find the jobs at their next sweep. */
  readonly ring: () => void;
  readonly close: () => void;
};

/** Shorter than any process takes to fall asleep: none does while jobs keep coming to another. */
const EVERY_MS = 1_000;

export function openBell(
  redisUrl: string,
  queue: string,
  heard: () => void,
  failed: (error: unknown) => void,
): Bell {
  const channel = `regjobs:${queue}:bell`;
  const origin = randomUUID();
  const ringer = connect(redisUrl, failed, { enableOfflineQueue: false, maxRetriesPerRequest: 0 });
  const listener = connect(redisUrl, failed, { maxRetriesPerRequest: null });
  listener.on("message", (_channel: string, from: string) => {
    if (from !== origin) heard();
  });
  // After a lost connection ioredis subscribes again by itself.
  listener.subscribe(channel).catch(failed);
  let nextMs = 0;
  return {
    ring() {
      if (performance.now() < nextMs || ringer.status !== "ready") return;
      nextMs = performance.now() + EVERY_MS;
      ringer.publish(channel, origin).catch(failed);
    },
    close() {
      ringer.disconnect();
      listener.disconnect();
    },
  };
}
