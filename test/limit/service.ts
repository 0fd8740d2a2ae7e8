/** Services whose true limit is known, as a load engine would measure them: latency curves with noise, stalls and a generator's own limit. */
import type { MetricValues, Sample, ValidityCheck } from "../../src/core/sample.ts";
import type { LimitRequest } from "../../src/limit/find.ts";
import { createNoise, randomFrom } from "../noise.ts";
import { makeSample } from "../samples.ts";

const WINDOW_MS = 3_000;
const CONFIRM_TIMES = 3;
/** As the load engine counts answers in time: until the window's end and a tenth of its length. */
const GRACE_SHARE = 0.1;

/** What a window of a load would show without noise. */
export interface Truth {
  readonly p95Ms: number;
  /** Share of the requests that fail. */
  readonly errorRate?: number;
  /** Share of the requests that are answered in time. */
  readonly answered?: number;
}

export interface ServiceNoise {
  /** Standard deviation of the logarithm from window to window, besides the sampling error of its requests. */
  readonly cv: number;
  /** Standard deviation of a slow drift. */
  readonly drift?: number;
  /** Share of windows that a stall makes between 1.5 and 6 times as slow. */
  readonly stalls?: number;
  /** Share of windows in which the generator is late by 20 ms. */
  readonly disturbed?: number;
}

export interface SimulatedService {
  readonly truthAt: (load: number) => Truth;
  readonly noise: ServiceNoise;
  /** Above this the generator cannot send on time. */
  readonly generatorMax?: number;
  /** Requests a second of one user; absent: the load is requests a second. */
  readonly requestsPerUser?: number;
}

/** `seed`: another machine, another day. Counts how many windows were measured, and of what. */
export function simulate(service: SimulatedService, seed: number) {
  const { cv, drift = 0, stalls = 0, disturbed = 0 } = service.noise;
  const noise = createNoise(
    {
      cv,
      drift: { correlation: 0.8, sd: drift },
      outliers: { share: stalls, low: 0.5, high: 5 },
    },
    seed,
  );
  const random = randomFrom(seed ^ 0x6c696d);
  const requests: LimitRequest[] = [];
  const measure = (request: LimitRequest): Promise<Sample> => {
    requests.push(request);
    const windowMs = windowMsOf(request);
    const perSecond = request.load * (service.requestsPerUser ?? 1);
    const count = Math.max(1, Math.round((perSecond * windowMs) / 1_000));
    const {
      p95Ms,
      errorRate = 0,
      answered = 1,
    } = service.truthAt(Math.min(request.load, service.generatorMax ?? Infinity));
    const noisy = noise.window({ "api.latencyP95Ms": p95Ms }, 0)["api.latencyP95Ms"] ?? Number.NaN;
    const sampling = Math.exp((2.75 / Math.sqrt(count)) * random.normal());
    const errors = poisson(count * errorRate, random);
    const disturbanceMs = random.uniform() < disturbed ? 20 : 0.1;
    const lagMs = Math.max(disturbanceMs, generatorLagMs(service, request.load, windowMs));
    const metrics = {
      "api.latencyP95Ms": noisy * sampling + lagMs,
      "api.errorRate": Math.min(1, errors / count),
      "api.requestsPerSecond": perSecond * answered,
    };
    return Promise.resolve(
      sampleOf(metrics, {
        windowMs,
        perSecond,
        count,
        errors,
        answered,
        lagMs,
        closed: service.requestsPerUser !== undefined,
      }),
    );
  };
  return { measure, requests };
}

export function windowMsOf({ window }: Pick<LimitRequest, "window">): number {
  return window === "confirm" ? CONFIRM_TIMES * WINDOW_MS : WINDOW_MS;
}

/** A generator that cannot keep up falls further behind with every request. */
function generatorLagMs(
  { generatorMax = Infinity }: SimulatedService,
  load: number,
  windowMs: number,
): number {
  return Math.max(0, windowMs * (1 - generatorMax / load));
}

export interface Counted {
  readonly windowMs: number;
  readonly perSecond: number;
  readonly count: number;
  readonly errors: number;
  readonly answered: number;
  readonly lagMs: number;
  /** Users instead of arrivals: there is no rate to be reached. */
  readonly closed: boolean;
}

export function sampleOf(metrics: MetricValues, counted: Counted): Sample {
  const { windowMs, perSecond, count, errors, answered, lagMs, closed } = counted;
  const inTime = Math.max(0, answered - lagMs / windowMs);
  const checks = [
    ...(closed ? [] : [check("rate-reached", inTime, 0.99, "atLeast")]),
    check("generator-lag", lagMs, 5, "atMost"),
    check("errors", errors / count, 0.01, "atMost"),
    check("all-answered", 0, 0, "atMost"),
  ];
  const sample = makeSample(metrics, { windowMs, requestsPerSecond: perSecond });
  const failed = checks.filter(({ ok }) => !ok);
  return {
    ...sample,
    load: {
      ...sample.load,
      requests: count,
      errors,
      generator: { lagP99Ms: lagMs, cpuShare: 0.2 },
      checks,
    },
    valid: failed.length === 0,
    invalidBecause: failed.map(({ detail }) => detail),
  };
}

export function check(
  id: ValidityCheck["id"],
  value: number,
  limit: number,
  side: "atLeast" | "atMost",
): ValidityCheck {
  const ok = side === "atLeast" ? value >= limit : value <= limit;
  return { id, ok, value, limit, detail: `${id} is ${value.toFixed(3)}, ${side} ${limit}` };
}

/** Where a rising curve crosses a limit, by bisection. */
export function crossingOf(valueAt: (load: number) => number, limit: number): number {
  let [low, high] = [1e-3, 1e6];
  for (let step = 0; step < 200; step += 1) {
    const middle = Math.sqrt(low * high);
    if (valueAt(middle) > limit) high = middle;
    else low = middle;
  }
  return Math.sqrt(low * high);
}

function poisson(mean: number, random: ReturnType<typeof randomFrom>): number {
  // The normal approximation is exact enough beyond this, and the product would vanish.
  if (mean > 500) return Math.round(mean + Math.sqrt(mean) * random.normal());
  const floor = Math.exp(-mean);
  let count = 0;
  for (let product = random.uniform(); product > floor; product *= random.uniform()) count += 1;
  return count;
}

/** One server, exponential arrivals and service times, first come first served: every request is played. */
export function playQueue(options: {
  readonly capacity: number;
  readonly arrivalsPerSecond: number;
  readonly warmupMs: number;
  readonly windowMs: number;
  readonly seed: number;
}): { readonly p95Ms: number; readonly answered: number; readonly count: number } {
  const { capacity, arrivalsPerSecond, warmupMs, windowMs, seed } = options;
  const random = randomFrom(seed);
  const exponential = (rate: number) => (-Math.log(1 - random.uniform()) * 1_000) / rate;
  const responses: number[] = [];
  let inTime = 0;
  let freeAt = 0;
  for (
    let at = exponential(arrivalsPerSecond);
    at < warmupMs + windowMs;
    at += exponential(arrivalsPerSecond)
  ) {
    freeAt = Math.max(at, freeAt) + exponential(capacity);
    if (at < warmupMs) continue;
    responses.push(freeAt - at);
    if (freeAt <= warmupMs + windowMs * (1 + GRACE_SHARE)) inTime += 1;
  }
  const sorted = responses.toSorted((a, b) => a - b);
  const count = sorted.length;
  return { p95Ms: sorted[Math.floor(0.95 * count)] ?? Number.NaN, answered: inTime / count, count };
}
