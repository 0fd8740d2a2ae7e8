/** Policies of a queue that its window speaks for: priorities, ageing, retries, batches; each with its reason or why not. */
import type { MetricId } from "../../../core/metric.ts";
import { formatDuration, formatRatio } from "../../../core/units.ts";
import { countOf } from "../gain-words.ts";
import type { QueueFacts, QueueSettings } from "./facts.ts";
import { retryPolicies } from "./retries.ts";

export type QueueRole =
  | "job-priorities"
  | "job-ageing"
  | "job-attempts"
  | "job-backoff"
  | "job-batch";

export interface Policy {
  readonly set: Readonly<Partial<Record<QueueRole, number | boolean>>>;
  readonly hypothesis: string;
  readonly facts: readonly string[];
  /** Metrics that show what it does at the run's load; with another objective it is advised, since pairs could not tell. */
  readonly shownBy: readonly MetricId[];
}

/** A policy to try or to advise, or why there is none. */
export type Idea = Policy | { readonly nothing: string };

export interface PolicyQuestion {
  readonly facts: QueueFacts;
  readonly settings: QueueSettings;
  /** The longest that the lowest class may wait for its turn to be moved up, where the strategy says it. */
  readonly ageingMs: number | undefined;
  readonly batch: number;
}

/** A wait below this share of a job's time is not what anybody feels. */
const WAIT_SHARE_LEAST = 0.05;
/** The high class waits about as long as the low: within this share. */
const EQUAL_SHARE = 0.7;
/** Ageing at twice what the low class waits now: rarely in force while things are as they are, and a limit when they get worse. */
const AGEING_TIMES = 2;
const AGEING_LEAST_MS = 1_000;
/** Below this utilisation workers are idle while jobs wait: what they wait for is being handed out. */
const BUSY_MOST = 0.5;

/** From here on it is the event loop that whatever runs in it waits for. */
const LOOP_BUSY = 0.8;

const WAITS: readonly MetricId[] = ["queue.latencyP95Ms", "queue.waitP95Ms"];

/** In the order in which they are worth a trial. */
export function queuePolicies(question: PolicyQuestion): readonly Idea[] {
  const { facts, settings } = question;
  return [
    priorities(question),
    ageing(question),
    ...retryPolicies(facts.retries, settings),
    batch(question),
  ];
}

function priorities({ facts, settings, ageingMs }: PolicyQuestion): Idea {
  if (settings.priorities === undefined) return none("no knob for priorities");
  const { waitHighP95Ms: high, waitLowP95Ms: low } = facts;
  const idle = notWaiting(facts);
  if (settings.priorities) return none("priorities are on already");
  if (idle !== undefined) return none(`priorities order jobs that wait: ${idle}`);
  if (high === undefined || low === undefined) {
    return none("priorities were not tried: not both a high and a low class were seen waiting");
  }
  const waits = `wait p95 ${formatDuration(high)} for high and ${formatDuration(low)} for low priority`;
  if (high < low * EQUAL_SHARE) {
    return none(`the high class waits far less than the low one already: ${waits}`);
  }
  const limitMs = ageingMs ?? Math.max(AGEING_LEAST_MS, Math.round(low * AGEING_TIMES));
  return {
    set: {
      "job-priorities": true,
      ...(settings.ageingMs === undefined ? {} : { "job-ageing": limitMs }),
    },
    hypothesis: `jobs of high priority wait less when they go first (now ${formatDuration(high)}; the low ones ${formatDuration(low)})`,
    facts: [
      `${waits}, first come, first served`,
      settings.ageingMs === undefined
        ? "no knob for ageing: nothing keeps the low class from starving"
        : `ageing at ${formatDuration(limitMs)}, against ${formatDuration(low)} that the low class waits now: it moves up a class each time, so that nothing starves`,
    ],
    shownBy: ["queue.waitHighP95Ms"],
  };
}

/** With priorities on: the low class waits at most for its ageing in each class below the first, and then as the first does. */
function ageing({ facts, settings }: PolicyQuestion): Idea {
  const { ageingMs, priorities: on } = settings;
  if (on !== true || ageingMs === undefined) return none("");
  const { waitLowP95Ms: low, waitHighP95Ms: high = 0, serviceMeanMs: service = 0 } = facts;
  if (low === undefined) return none(unseen(facts));
  const mostMs = 2 * ageingMs + high + service;
  const words = `the low class waits ${formatDuration(low)} (p95)`;
  if (ageingMs > 0 && low <= mostMs) {
    return none(
      `${words}, within the ${formatDuration(mostMs)} of two ageings of ${formatDuration(ageingMs)} and the high class's own wait: nothing starves`,
    );
  }
  const share = Math.max(AGEING_LEAST_MS, Math.round(low / (2 * AGEING_TIMES)));
  // Never later than now: that a class waits for longer than ageing explains is no reason to let it age more slowly.
  const wanted = ageingMs === 0 ? share : Math.min(share, Math.round(ageingMs / 2));
  if (ageingMs > 0 && wanted < AGEING_LEAST_MS) {
    return none(
      `${words}, more than the ${formatDuration(mostMs)} that ageing should allow, but jobs move up after ${formatDuration(ageingMs)} already: it is workers that they wait for`,
    );
  }
  const because =
    ageingMs === 0
      ? "and never moves up"
      : `more than the ${formatDuration(mostMs)} that ageing should allow`;
  return {
    set: { "job-ageing": wanted },
    hypothesis: `the low class starves less when its jobs move up after ${formatDuration(wanted)}`,
    facts: [`${words}, ${because}`],
    shownBy: ["queue.waitLowP95Ms", ...WAITS],
  };
}

/** A class without a sample has no jobs, or none of them gets its turn: only an empty queue tells that it is not the latter. */
function unseen({ depthMax }: QueueFacts): string {
  return depthMax === 0
    ? "no job waited at all: nothing starves"
    : "whether the low class starves is not known: no job of it was handed out, so that there are none or none gets its turn";
}

function batch({ facts, settings, batch: wanted }: PolicyQuestion): Idea {
  const { waitP95Ms: wait, serviceMeanMs: service, busyShare, loopBusyShare } = facts;
  if (settings.batch === undefined) return none("no knob for batches");
  if (service === undefined || wait === undefined || busyShare === undefined) {
    return none("batches were not tried: wait, service time or utilisation were not measured");
  }
  const words = `wait p95 ${formatDuration(wait)}, service time ${formatDuration(service)}, workers busy ${formatRatio(Math.min(1, busyShare))}`;
  if (busyShare >= BUSY_MOST) {
    return none(
      `batches save handing out, and here it is the workers that have hardly time left (${words})`,
    );
  }
  if (wait <= service) {
    return none(`batches save handing out, which is shorter than the work itself (${words})`);
  }
  if (wanted <= settings.batch)
    return none(`workers take ${countOf(settings.batch, "job")} at once already`);
  return {
    set: { "job-batch": wanted },
    hypothesis: `workers that take ${wanted} jobs at once instead of ${settings.batch} keep jobs waiting less`,
    facts: [
      loopBusyShare !== undefined && loopBusyShare >= LOOP_BUSY
        ? `${words}: jobs wait although workers are idle, for the event loop, which is busy ${formatRatio(loopBusyShare)} of the time: handing several out at once takes less of it`
        : `${words}: jobs wait although workers are idle, so that handing them out is what takes long`,
    ],
    shownBy: [...WAITS, "queue.waitHighP95Ms", "service.cpuMsPerRequest"],
  };
}

/** Why nobody has to wait; undefined when jobs do, or nobody knows. */
function notWaiting({ waitP95Ms, latencyP95Ms }: QueueFacts): string | undefined {
  if (waitP95Ms === undefined || latencyP95Ms === undefined) return undefined;
  if (waitP95Ms >= latencyP95Ms * WAIT_SHARE_LEAST) return undefined;
  return `hardly any does (p95 ${formatDuration(waitP95Ms)} of a job's ${formatDuration(latencyP95Ms)})`;
}

function none(nothing: string): Idea {
  return { nothing };
}
