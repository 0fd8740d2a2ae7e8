// One report as a stream: parts are read, made by threads, and written in their order, all three at a time.

import { createTurns } from "../compute/turns.ts";
import type { Turns } from "../compute/turns.ts";
import type { Database } from "../database.ts";
import { RegistryError } from "../errors.ts";
import { createChannel } from "./channel.ts";
import type { Channel } from "./channel.ts";
import type { ReportsConfig } from "./config.ts";
import { openContainer } from "./container.ts";
import type { Encoded, Format } from "./part.ts";
import { readParts } from "./reading.ts";
import type { Range } from "./reading.ts";
import type { ReportThreads } from "./threads.ts";

export type ReportSources = {
  readonly database: Database;
  readonly threads: ReportThreads;
  readonly config: ReportsConfig;
  readonly observer: ReportObserver;
};

export type ReportObserver = {
  readonly partRead: (seconds: number) => void;
  readonly partMade: () => void;
};

/** An item is boxed, or the channel would wait for it; undefined is the end. */
type Underway = { readonly part: Promise<Encoded | undefined> };

/**
 * The report's bytes in order; nothing comes before its first part was made. At most workers + depth parts are held at a time: the next is
 * read once the oldest was written. Throws the signal's reason after it aborted, and what reading or a thread failed with.
 */
export async function* makeReport(
  sources: ReportSources,
  format: Format,
  range: Range,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const over = new AbortController();
  const stop = AbortSignal.any([signal, over.signal]);
  const places = createTurns(sources.config.workers + sources.config.depth);
  const parts = createChannel<Underway>();
  const reading = readAhead(sources, format, range, { places, parts, stop });
  const container = openContainer(format);
  try {
    let part = await (await parts.take()).part;
    yield container.head();
    while (part !== undefined) {
      if (part.rows > 0) yield* container.part(part);
      sources.observer.partMade();
      places.give();
      part = await (await parts.take()).part;
    }
    yield container.tail();
  } finally {
    over.abort(new RegistryError("INTERNAL_ERROR", "The report has ended."));
    // The connection is given back before the report counts as ended.
    await reading;
  }
}

type Ahead = {
  readonly places: Turns;
  readonly parts: Channel<Underway>;
  readonly stop: AbortSignal;
};

/** Never rejects: what fails is the last thing that is put. */
async function readAhead(
  { database, threads, config, observer }: ReportSources,
  format: Format,
  range: Range,
  { places, parts, stop }: Ahead,
): Promise<void> {
  const put = (part: Underway["part"]): void => {
    // Whether anybody still takes it or not.
    part.catch(() => undefined);
    parts.put({ part });
  };
  try {
    await database.withClient((client) =>
      readParts(client, range, config.splitRuns, async (next) => {
        for (;;) {
          await places.take(stop);
          const startedMs = performance.now();
          const raw = await next();
          if (raw === undefined) return;
          observer.partRead((performance.now() - startedMs) / 1000);
          stop.throwIfAborted();
          put(threads.encode({ format, ...raw }, stop));
        }
      }),
    );
    put(Promise.resolve(undefined));
  } catch (error) {
    put(Promise.reject(error));
  }
}
