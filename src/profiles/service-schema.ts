/** The schema of a target's service: how it is made, started, probed and asked. */
import { resolve } from "node:path";
import { z } from "zod";
import type { Command, HistogramMap, SeriesMap, TargetFile } from "../core/target-file.ts";
import * as field from "./fields.ts";

/** `folder`: what directories and files are relative to. */
export function service(folder: string) {
  return z
    .strictObject({
      start: field.command().describe("The command that starts the service in the foreground."),
      directory: field
        .text()
        .default(".")
        .describe("Where the commands run, relative to this file's folder."),
      build: build()
        .exactOptional()
        .describe(
          "What makes the service from its sources, run by the gate in a checkout of each version: one command, or a list of commands.",
        ),
      migrate: field
        .command()
        .exactOptional()
        .describe(
          "Run before each start, with the service's environment: brings a database up to the version's schema.",
        ),
      env: z
        .record(z.string(), field.scalar())
        .default({})
        .describe(
          "The service's environment: ${port}, ${postgres.url} and ${redis.url} are filled in by perfopt, ${env:NAME} from your shell.",
        ),
      headers: field
        .headers()
        .transform(field.checked(noPlaceholders))
        .exactOptional()
        .describe(
          "Sent with every request of the load, in no report or result: authorization: Bearer ${env:API_TOKEN}.",
        ),
      tls: tls(folder).exactOptional().describe("For a service at an https URL."),
      ready: httpPath().describe("The path that answers 2xx when the service may be loaded."),
      startTimeout: field
        .duration()
        .default(30_000)
        .describe("How long until it must be ready, 30s by default."),
      stopTimeout: field
        .duration()
        .default(15_000)
        .describe("How long it may take to stop after SIGTERM, 15s by default."),
      metrics: metrics()
        .exactOptional()
        .describe("The service's own metrics; without them, cache and pool are not measured."),
    })
    .transform((input) => toService(input, folder));
}

/** One command, or a list of them. */
function build() {
  return z
    .union([z.string(), z.array(z.union([z.string(), z.array(field.text()).min(1)])).min(1)], {
      error: "expected a command such as `npm ci`, or a list of commands",
    })
    .superRefine((value, context) => {
      // In `start` a list is one command's words, and here it would be a command for each.
      if (typeof value === "string" || value.length < 2) return;
      if (value.some((each) => typeof each !== "string" || /\s/.test(each.trim()))) return;
      context.addIssue(
        "expected one command as text (npm ci) or in a list of its own ([[npm, ci]]), found a list of single words",
      );
    })
    .transform((value) => (typeof value === "string" ? [value] : value))
    .pipe(z.array(field.command()));
}

/** They are the same for all requests, and nothing is known of one when they are set. */
function noPlaceholders(headers: Readonly<Record<string, string>>, context: z.RefinementCtx): void {
  for (const [name, value] of Object.entries(headers)) {
    // Those of the environment are still there when nobody will send the headers.
    if (!value.replace(/\$\{env:[^}]*\}/g, "").includes("${")) continue;
    const message = `expected no placeholder but \${env:NAME} in headers of the service, found ${field.HIDDEN}`;
    context.addIssue({ code: "custom", path: [name], message });
  }
}

function tls(folder: string) {
  return z
    .strictObject({
      ca: field
        .text()
        .exactOptional()
        .describe(
          "A PEM file of authorities to trust beside the well-known, relative to this file's folder.",
        ),
      verify: z
        .boolean()
        .default(true)
        .describe("Whether certificates are verified; true by default."),
    })
    .transform(({ ca, verify }) => ({
      verify,
      ...(ca !== undefined && { caPath: resolve(folder, ca) }),
    }));
}

function metrics() {
  return z.strictObject({
    path: httpPath().describe("The path of the Prometheus metrics."),
    series: series().default({}).describe("The service's own names of what perfopt wants to know."),
    histograms: histograms()
      .exactOptional()
      .describe("The service's own names of its histograms, in seconds, without _bucket."),
  });
}

function httpPath() {
  return z
    .string()
    .regex(/^\/\S*$/, { error: "expected a path that begins with / and has no spaces" });
}

function series() {
  return z.strictObject({
    cacheLookups: seriesName("Look-ups in the cache, whatever the tier."),
    cacheHitsL1: seriesName("Hits of the first tier, in the process."),
    cacheHitsL2: seriesName("Hits of the second tier, in Redis."),
    cacheHitsL3: seriesName("Hits of the third tier, in the database."),
    cacheMissesL1: seriesName("Misses of the first tier."),
    cacheMissesL2: seriesName("Misses of the second tier."),
    cacheMissesL3: seriesName("Misses of the third tier."),
    poolTotal: seriesName("Open connections of the pool."),
    poolIdle: seriesName("Idle connections of the pool."),
    poolWaiting: seriesName("Requests that wait for a connection."),
    poolMax: seriesName("The pool's limit."),
    poolWaitSecondsSum: seriesName("Seconds waited for connections, summed."),
    poolWaitCount: seriesName("Connections handed out."),
    eventLoopDelayP99Seconds: seriesName("The event loop's delay, 99th percentile."),
    eventLoopUtilization: seriesName("The event loop's utilisation, 0 to 1."),
    queueWaiting: seriesName("Jobs accepted and not begun."),
    queueActive: seriesName("Jobs under way."),
    jobsAccepted: seriesName("Jobs taken in, counted."),
    jobsRejected: seriesName("Jobs refused because the queue was full, counted."),
    jobsCompleted: seriesName("Jobs done, counted."),
    jobsDead: seriesName("Jobs given up on, counted."),
    jobAttempts: seriesName("Attempts at jobs, counted."),
    jobAttemptsFailed: seriesName("Attempts at jobs that failed, counted."),
    threadsAlive: seriesName("Threads of the CPU pool that are alive."),
    threadBusySeconds: seriesName("Seconds that threads worked, over all of them, counted."),
    threadAliveSeconds: seriesName("Seconds that threads were alive, over all of them, counted."),
    threadWaitSecondsSum: seriesName("Seconds that tasks waited for a thread, summed."),
    threadWaitCount: seriesName("Tasks given to a thread."),
    gcSeconds: seriesName("Seconds in garbage collection, counted."),
    gcCount: seriesName("Garbage collections, counted."),
    gcMajorCount: seriesName("Those that mark and sweep the whole heap, counted."),
    heapUsedBytes: seriesName("Bytes of the JavaScript heap in use."),
    nonHeapBytes: seriesName("Bytes outside the JavaScript heap: external memory and buffers."),
    outgoingSecondsSum: seriesName("Seconds of calls to other services, summed."),
    outgoingCount: seriesName("Calls to other services."),
  } satisfies Record<keyof SeriesMap, z.ZodType>);
}

function histograms() {
  return z.strictObject({
    jobSeconds: seriesName("From a job's acceptance to its end."),
    jobWaitSeconds: seriesName("From a job's acceptance to its first attempt."),
    jobWaitHighSeconds: seriesName("The same, of the highest class of priority."),
    jobWaitNormalSeconds: seriesName("The same, of the middle class of priority."),
    jobWaitLowSeconds: seriesName("The same, of the lowest class of priority."),
    jobServiceSeconds: seriesName("Of one attempt at a job."),
    fileProbeSeconds: seriesName("Of a tiny file operation that the service times now and then."),
    gcPauseSeconds: seriesName("Of one garbage collection."),
    workerSeconds: seriesName("Of requests passed to workers, by the label `worker`."),
  } satisfies Record<keyof HistogramMap, z.ZodType>);
}

function seriesName(title: string) {
  return z
    .string()
    .regex(/^[a-zA-Z_:][a-zA-Z0-9_:]*(?:\{[^{}]*\})?$/, {
      error: 'expected the name of a series, with labels if needed: name or name{label="value"}',
    })
    .exactOptional()
    .describe(title);
}

interface ServiceInput extends Pick<TargetFile["service"], "headers" | "tls" | "metrics"> {
  readonly start: Words;
  readonly directory: string;
  readonly build?: readonly Words[];
  readonly migrate?: Words;
  readonly env: Readonly<Record<string, string | number | boolean>>;
  readonly ready: string;
  readonly startTimeout: number;
  readonly stopTimeout: number;
}

type Words = readonly [program: string, ...args: string[]];

function toService(
  { start, directory, build: builds, migrate, env, ...input }: ServiceInput,
  folder: string,
): TargetFile["service"] {
  const { ready, startTimeout, stopTimeout, ...rest } = input;
  const commandOf = ([program, ...args]: Words): Command => ({
    program,
    args,
    directory: resolve(folder, directory),
  });
  return {
    ...rest,
    start: commandOf(start),
    ...(builds && { build: builds.map(commandOf) }),
    ...(migrate && { migrate: commandOf(migrate) }),
    env: Object.fromEntries(Object.entries(env).map(([name, value]) => [name, String(value)])),
    readyPath: ready,
    startTimeoutMs: startTimeout,
    stopTimeoutMs: stopTimeout,
  };
}
