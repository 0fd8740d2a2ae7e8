/** What to do next: for each verdict the commands and settings to try, the first one first. */
import type { Verdict } from "../core/diagnosis.ts";

/** The doctor's own options: what it examined. Other commands understand some of them, and some mean something else there. */
export interface NextContext {
  readonly target?: string | undefined;
  /** Of the service, without secrets. */
  readonly url?: string | undefined;
  readonly scale?: string | undefined;
  readonly method?: string | undefined;
  readonly header?: readonly string[] | undefined;
  readonly body?: string | undefined;
}

export function nextFor(verdict: Verdict, context: NextContext): readonly string[] {
  switch (verdict) {
    case "cpu":
      return [
        "node --cpu-prof, under the same load: the flame graph names the functions",
        "CPU work such as hashing on a thread pool; more processes of the service behind a balancer, as this does:",
        tune("load-balancing", context),
      ];
    case "loop-blocked":
      return [
        "node --cpu-prof, under the same load: the widest bars are the blocking work",
        "move it to a thread pool (piscina), or cut it into pieces",
      ];
    case "gc":
      return [
        "start node with --max-semi-space-size=32, then 64, and run perfopt doctor again",
        "node --heap-prof, under the same load: it names who allocates; a larger --max-old-space-size where old space fills",
      ];
    case "pool-starved":
      return [advisePool(context)];
    case "database-saturated":
      return [adviseIndexes(context), advisePool(context)];
    case "slow-query":
      return [adviseIndexes(context)];
    case "libuv":
      return [
        "start the service with UV_THREADPOOL_SIZE at two to four times of what it has (4 without the variable)",
        tune("thread-pool", context),
      ];
    case "redis":
      return [adviseCache(context)];
    case "queue-overload":
      return [
        tune("async-processing,queue", context),
        "a bound on the queue, so that jobs are refused with Retry-After instead of waiting ever longer",
      ];
    case "request-limit":
      return [
        "raise that bound and run perfopt doctor again: either more is answered, or what limits the service then is named",
        tune("backpressure", context),
      ];
    case "slow-upstream":
      return [
        "look at that service; until it is faster: a timeout, a circuit breaker, a cache of its answers, calls in parallel",
      ];
    case "host":
      return ["stop what else runs here and try again; --busy-machine diagnoses all the same"];
    case "unknown":
      return whenUnknown(context);
    case "none":
      return [`perfopt bench --find-limit --slo 'p95<200ms'${sameRequests(context)}`];
  }
}

/** More to read from, or more to judge by. */
function whenUnknown(context: NextContext): readonly string[] {
  const { target, url } = context;
  const more = "whose service.metrics, postgres and redis say where its metrics and stores are";
  if (url !== undefined && target === undefined) {
    return [
      `perfopt doctor --target FILE${option("url", url)}, ${more}: docs/doctor.md, "When it is unknown"`,
    ];
  }
  const again = `perfopt doctor${started(context)}${option("url", url)} --duration 20s`;
  return [
    `${again}, with nothing else running here: --busy-machine does not make up for that`,
    ...(target === undefined
      ? []
      : [
          `give ${target} what it lacks of service.metrics, postgres and redis: docs/doctor.md, "When it is unknown"`,
        ]),
  ];
}

/** A service that perfopt starts: every command that has --target means this by it. */
function started({ target, scale }: NextContext): string {
  return option("target", target) + option("scale", scale);
}

function advisePool(context: NextContext): string {
  // Of a service that runs already it sweeps the users.
  const { url } = context;
  return `perfopt advise pool${url === undefined ? started(context) : option("url", url)}`;
}

/** Its --url is the database's. */
function adviseIndexes(context: NextContext): string {
  return context.url === undefined
    ? `perfopt advise indexes${started(context)}`
    : 'perfopt advise indexes --url "$DATABASE_URL", which is that of the service\'s database';
}

/** Its --url is that of a Redis. */
function adviseCache(context: NextContext): string {
  return context.url === undefined
    ? `perfopt advise cache${started(context)}`
    : 'perfopt advise cache --url "$REDIS_URL", which is that of the service\'s Redis';
}

/** It starts the service anew for each setting, and has no --url. */
function tune(phases: string, context: NextContext): string {
  const command = `perfopt run --persona multi-tasker --phases ${phases}${started(context)}`;
  return context.url === undefined || context.target !== undefined
    ? command
    : `${command} --target FILE, which says how the service is started`;
}

/** Of the same requests as here; what a header says may be a secret. */
function sameRequests(context: NextContext): string {
  const { url, method, header = [], body } = context;
  const requests = [
    option("url", url),
    method === "GET" ? "" : option("method", method),
    ...header.map((each) => option("header", `${each.replace(/:.*$/s, "")}: ...`)),
    option("body", body),
  ];
  return started(context) + (url === undefined ? "" : requests.join(""));
}

function option(name: string, value: string | undefined): string {
  return value === undefined ? "" : ` --${name} ${quoted(value)}`;
}

/** For a POSIX shell. */
function quoted(value: string): string {
  return /^[\w@%+=:,./-]+$/.test(value) ? value : `'${value.replaceAll("'", String.raw`'\''`)}'`;
}
