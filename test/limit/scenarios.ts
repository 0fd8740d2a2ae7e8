/** Services and what a search should find of them. Every seed has its own size, so that nothing depends on where the probed loads lie. */
import type { LimitResult } from "../../src/core/result.ts";
import type { Sample } from "../../src/core/sample.ts";
import type { LimitRequest } from "../../src/limit/find.ts";
import { randomFrom } from "../noise.ts";
import {
  crossingOf,
  playQueue,
  sampleOf,
  simulate,
  windowMsOf,
  type SimulatedService,
} from "./service.ts";

export interface LimitScenario {
  readonly name: string;
  readonly unit: LimitResult["unit"];
  readonly slos: readonly string[];
  readonly from: number;
  readonly most?: number;
  /** The latency rises so steeply at the limit that noise moves it little. */
  readonly steep: boolean;
  /** Its queues need longer than a window to fill: the limit of windows is not the limit of hours. */
  readonly slow: boolean;
  readonly start: (seed: number) => {
    readonly measure: (request: LimitRequest) => Promise<Sample>;
    /** Where an SLO is crossed, upwards. */
    readonly limits: readonly number[];
  };
  /** What a right answer is; absent: an interval that holds one of the limits. */
  readonly isRight?: (result: LimitResult) => boolean;
}

const LIMIT_MS = 200;
/** Keeps the sizes apart from the noise of the same seed. */
const SIZE_STREAM = 0x73697a65;

const defaults = {
  unit: "requests/s",
  slos: [`p95<${LIMIT_MS}ms`],
  from: 20,
  steep: false,
  slow: false,
} as const;

interface Options extends Partial<Omit<LimitScenario, "name" | "start">> {
  /** Where p95 crosses 200 ms, when it is not said. */
  readonly limits?: readonly number[];
}

function scenarioOf(name: string, service: SimulatedService, options: Options = {}): LimitScenario {
  const { limits = [crossingOf((load) => service.truthAt(load).p95Ms, LIMIT_MS)], ...others } =
    options;
  const start = (seed: number) => {
    const size = limits.length === 0 ? 1 : sizeOf(seed);
    const sized = { ...service, truthAt: (load: number) => service.truthAt(load / size) };
    return { ...simulate(sized, seed), limits: limits.map((limit) => limit * size) };
  };
  return { ...defaults, ...others, name, start };
}

/** Between 0.7 and 1.4. */
function sizeOf(seed: number): number {
  return 2 ** (randomFrom(seed ^ SIZE_STREAM).uniform() - 0.5);
}

/** Several servers before one queue: flat, then steep towards the capacity. What comes in beyond it waits. */
function pool(noise: SimulatedService["noise"], capacity = 1_000): SimulatedService {
  return {
    noise,
    truthAt: (load) => ({
      p95Ms: poolMs(load, capacity),
      answered: Math.min(1, (1.1 * capacity) / load),
    }),
  };
}

function poolMs(load: number, capacity: number): number {
  const use = load / capacity;
  return use >= 1 ? 4_000 * use : 40 * (1 + use ** 6 / (1 - use));
}

function curve(p95At: (load: number) => number): SimulatedService {
  return { noise: { cv: 0.1 }, truthAt: (load) => ({ p95Ms: p95At(load) }) };
}

/** Users of a service after the Universal Scalability Law (Gunther): contention 2 %, coherency 0.08 %. */
function usl(users: number): number {
  return 20 * (1 + 0.02 * (users - 1) + 0.0008 * users * (users - 1));
}

/** A single server whose every request is played. Its p95 is known: response times are exponential with rate capacity - arrivals. */
function queueOf(name: string, limitMs: number): LimitScenario {
  const start = (seed: number) => {
    const capacity = 400 * sizeOf(seed);
    const measure = ({ load, attempt, window }: LimitRequest): Promise<Sample> => {
      const windowMs = windowMsOf({ window });
      const { p95Ms, answered, count } = playQueue({
        capacity,
        arrivalsPerSecond: load,
        warmupMs: 1_000,
        windowMs,
        seed: seed * 1_000 + attempt,
      });
      const metrics = { "api.latencyP95Ms": p95Ms, "api.errorRate": 0 };
      const counted = { windowMs, perSecond: load, count, errors: 0, answered, lagMs: 0.1 };
      return Promise.resolve(sampleOf(metrics, { ...counted, closed: false }));
    };
    return { measure, limits: [capacity - (1_000 * Math.log(20)) / limitMs] };
  };
  return { ...defaults, name, slos: [`p95<${limitMs}ms`], slow: true, start };
}

const poolLimit = crossingOf((load) => poolMs(load, 1_000), LIMIT_MS);

export const limitScenarios: readonly LimitScenario[] = [
  scenarioOf("pool, noise 5 %", pool({ cv: 0.05 }), { steep: true }),
  scenarioOf("pool, noise 10 %", pool({ cv: 0.1 }), { steep: true }),
  scenarioOf("pool, noise 20 %", pool({ cv: 0.2 }), { steep: true }),
  scenarioOf("pool, noise 10 %, drift 5 %", pool({ cv: 0.1, drift: 0.05 }), { steep: true }),
  scenarioOf("pool, 10 % of windows stall", pool({ cv: 0.1, stalls: 0.1 })),
  scenarioOf("pool, 20 % of windows disturbed", pool({ cv: 0.1, disturbed: 0.2 })),
  scenarioOf(
    "cliff",
    curve((load) => (load < 850 ? 60 : 1_500)),
    { steep: true },
  ),
  scenarioOf(
    "p95 grows with load^3",
    curve((load) => 200 * (load / 700) ** 3),
  ),
  scenarioOf(
    "p95 grows with load",
    curve((load) => 200 * (load / 700)),
  ),
  scenarioOf(
    "p95 grows with load^0.5",
    curve((load) => 200 * (load / 700) ** 0.5),
  ),
  scenarioOf("users, USL", { ...curve(usl), requestsPerUser: 10 }, { unit: "users", from: 2 }),
  scenarioOf(
    "users, about 8",
    { ...curve((users) => 24 * users), requestsPerUser: 40 },
    { unit: "users", from: 2 },
  ),
  scenarioOf(
    "p95 and errors, errors first",
    {
      noise: { cv: 0.1 },
      truthAt: (load) => ({ p95Ms: poolMs(load, 1_000), errorRate: 0.02 * (load / 500) ** 4 }),
    },
    { slos: [`p95<${LIMIT_MS}ms`, "errors<1%"], limits: [500 * 0.5 ** 0.25] },
  ),
  scenarioOf(
    "pool, slow around 90",
    {
      noise: { cv: 0.1 },
      truthAt: (load) => ({ p95Ms: poolMs(load, 1_000) * (load > 80 && load < 100 ? 8 : 1) }),
    },
    { limits: [80, poolLimit] },
  ),
  scenarioOf("pool, start twice too high", pool({ cv: 0.1 }), { from: 2_000 }),
  queueOf("one server, 85 % busy at the limit", 50),
  queueOf("one server, 96 % busy at the limit", 200),
  scenarioOf(
    "breaks at any load",
    curve(() => 400),
    { limits: [], isRight: ({ holds, breaks = Infinity }) => holds === undefined && breaks <= 20 },
  ),
  scenarioOf("holds up to 3,000, the most", pool({ cv: 0.1 }, 9_000), {
    most: 3_000,
    limits: [],
    isRight: ({ holds, breaks }) => holds === 3_000 && breaks === undefined,
  }),
  scenarioOf(
    "the generator ends at 500",
    { ...pool({ cv: 0.1 }), generatorMax: 500 },
    {
      limits: [],
      isRight: ({ holds = 0, breaks, detail }) =>
        breaks === undefined && holds <= 500 && holds > 380 && detail.includes("load generator"),
    },
  ),
];
