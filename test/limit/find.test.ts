/** The search as a whole, on simulated services: what it asks for, when it stops, and what it says. */
import { describe, expect, test } from "vitest";
import { parseSlo, type Slo } from "../../src/core/slo.ts";
import { findLimit, type LimitRequest, type LimitSearch } from "../../src/limit/find.ts";
import { simulate, windowMsOf, type SimulatedService } from "./service.ts";

const steep: SimulatedService = {
  noise: { cv: 0.08 },
  truthAt: (load) => ({ p95Ms: 200 * (load / 500) ** 6 }),
};

function slo(text: string): Slo {
  const parsed = parseSlo(text);
  if (typeof parsed === "string") throw new Error(parsed);
  return parsed;
}

function searchOf(service: SimulatedService, seed: number, options: Partial<LimitSearch> = {}) {
  const { measure, requests } = simulate(service, seed);
  const said: string[] = [];
  const search: LimitSearch = {
    unit: "requests/s",
    slos: [slo("p95<200ms")],
    measure,
    clock: { now: () => 0 },
    signal: new AbortController().signal,
    say: (line) => said.push(line),
    ...options,
  };
  return { search, requests, said };
}

const isCounted = ({ window }: LimitRequest) => window !== "settle";

describe("a service with a limit", () => {
  test("is bracketed to the precision, and both ends are confirmed", async () => {
    const { search, requests, said } = searchOf(steep, 1);
    const { holds = 0, breaks = Infinity, estimate, probes, detail } = await findLimit(search);
    expect(holds).toBeLessThan(500);
    expect(breaks).toBeGreaterThan(500);
    expect(estimate).toBeGreaterThanOrEqual(holds);
    expect(estimate).toBeLessThanOrEqual(breaks);
    expect(requests.some(({ load, window }) => load === holds && window === "confirm")).toBe(true);
    expect(requests.filter(({ load }) => load === breaks).length).toBeGreaterThan(1);
    expect(probes.find(({ load }) => load === holds)?.outcome).toBe("holds");
    expect(probes.find(({ load }) => load === breaks)?.outcome).toBe("breaks");
    expect(detail).toMatch(
      /^[\d.]+ requests\/s held and [\d.]+ requests\/s did not \(API p95 .+ against a limit of 200 ms/,
    );
    expect(said.length).toBeGreaterThanOrEqual(requests.length - 1);
  });

  test("every window has a number of its own, and a probe for each load is listed", async () => {
    const { search, requests } = searchOf(steep, 2);
    const { probes } = await findLimit(search);
    expect(requests.map(({ attempt }) => attempt)).toEqual(requests.map((_, index) => index));
    const loads = new Set(requests.filter(isCounted).map(({ load }) => load));
    expect(probes.map(({ load }) => load)).toEqual([...loads]);
    expect(probes.every(({ why, metrics }) => why !== "" && metrics["api.latencyP95Ms"])).toBe(
      true,
    );
  });

  test("gets a light load to recover when it fell behind, before the next load", async () => {
    const service: SimulatedService = {
      ...steep,
      truthAt: (load) => ({ ...steep.truthAt(load), answered: load > 600 ? 0.7 : 1 }),
    };
    const { search, requests } = searchOf(service, 3);
    await findLimit(search);
    const overloaded = requests.findIndex(({ load }) => load > 600);
    expect(requests[overloaded + 1]).toMatchObject({ window: "settle", load: 20 });
    expect(requests.slice(0, overloaded + 1).every(isCounted)).toBe(true);
  });

  test("is found from above too", async () => {
    const { search } = searchOf(steep, 4, { from: 6_000 });
    const { holds = 0, breaks = Infinity } = await findLimit(search);
    expect(holds).toBeGreaterThan(350);
    expect(breaks).toBeLessThan(650);
  });

  test("in users has whole numbers at its ends", async () => {
    const service = {
      ...steep,
      truthAt: (users: number) => ({ p95Ms: 36 * users }),
      requestsPerUser: 40,
    };
    const { search, requests } = searchOf(service, 5, { unit: "users" });
    const { holds = 0, breaks = Infinity, detail } = await findLimit(search);
    expect(requests.every(({ load }) => Number.isInteger(load))).toBe(true);
    expect(holds).toBeLessThanOrEqual(5);
    expect(breaks).toBeGreaterThanOrEqual(6);
    expect(detail).toContain("users held");
  });

  test("the same windows lead to the same result", async () => {
    const first = await findLimit(searchOf(steep, 6).search);
    expect(await findLimit(searchOf(steep, 6).search)).toEqual(first);
  });
});

describe("an end without a limit", () => {
  test("the most that was tried holds", async () => {
    const { search, requests } = searchOf(steep, 7, { most: 300 });
    const result = await findLimit(search);
    expect(result).toMatchObject({ holds: 300, estimate: 300 });
    expect(result.breaks).toBeUndefined();
    expect(result.detail).toContain("the limit is higher");
    expect(Math.max(...requests.map(({ load }) => load))).toBe(300);
  });

  test("the generator, not the service, is said to be at its end", async () => {
    const { search } = searchOf({ ...steep, generatorMax: 200 }, 8);
    const result = await findLimit(search);
    expect(result.breaks).toBeUndefined();
    expect(result.holds).toBeLessThanOrEqual(200);
    expect(result.detail).toContain("because of the load generator");
    expect(result.detail).toContain("generator-lag");
  });

  test("nothing holds: the lowest load is the last that is tried", async () => {
    const { search, requests } = searchOf({ ...steep, truthAt: () => ({ p95Ms: 900 }) }, 9, {
      least: 5,
    });
    const result = await findLimit(search);
    expect(result.holds).toBeUndefined();
    expect(result.breaks).toBe(5);
    expect(result.detail).toContain("not even 5 requests/s held");
    expect(Math.min(...requests.map(({ load }) => load))).toBe(5);
  });

  test("windows that show nothing are no result", async () => {
    const silent = searchOf(steep, 10);
    const measure: LimitSearch["measure"] = async (request) => ({
      ...(await silent.search.measure(request)),
      metrics: {},
    });
    await expect(findLimit({ ...silent.search, measure })).rejects.toMatchObject({
      code: "cannot-measure",
      message: expect.stringContaining("p95<200ms could not be measured"),
    });
  });
});

describe("the budget", () => {
  test.each([1, 2, 5, 9, 14])("of %i windows is never exceeded", async (windowsMax) => {
    for (let seed = 1; seed <= 20; seed += 1) {
      const { search, requests } = searchOf(steep, seed, { windowsMax });
      const { holds = 0, breaks = Infinity, detail } = await findLimit(search);
      expect(requests.filter(isCounted).length).toBeLessThanOrEqual(windowsMax);
      expect(holds).toBeLessThan(breaks);
      if (windowsMax <= 9) expect(detail).toContain(`cut short after ${windowsMax} windows`);
    }
  });

  test("keeps windows for the ends: a short search has a wide bracket that is confirmed", async () => {
    const { search, requests } = searchOf(steep, 11, { windowsMax: 10 });
    const { holds, breaks, detail } = await findLimit(search);
    expect(requests.some(({ load, window }) => load === holds && window === "confirm")).toBe(true);
    expect(requests.filter(({ load }) => load === breaks).length).toBeGreaterThan(1);
    expect(detail).not.toContain("not confirmed");
  });

  test("of time is kept: no window begins that would end too late", async () => {
    let nowMs = 0;
    const { search } = searchOf(steep, 12);
    const measure: LimitSearch["measure"] = (request) => {
      nowMs += windowMsOf(request) + 1_000;
      return search.measure(request);
    };
    const timed = { ...search, measure, clock: { now: () => nowMs }, deadline: 40_000 };
    const { detail } = await findLimit(timed);
    // A longer window than any before is the only one that may be misjudged.
    expect(nowMs).toBeLessThanOrEqual(40_000 + 6_000);
    expect(detail).toContain("cut short");
  });

  test("is not spent on ends that cannot be confirmed, on a machine that has become busy", async () => {
    const { search } = searchOf(steep, 15);
    const busy = simulate({ ...steep, noise: { cv: 0.08, disturbed: 1 } }, 15);
    let windows = 0;
    const measure: LimitSearch["measure"] = (request) => {
      windows += 1;
      return windows > 12 ? busy.measure(request) : search.measure(request);
    };
    const { detail } = await findLimit({ ...search, measure, windowsMax: 200 });
    expect(windows).toBeLessThan(60);
    expect(detail).toMatch(/not confirmed|measured only once/);
    expect(detail).not.toContain("cut short");
  });

  test("an interrupt ends the search before the next window", async () => {
    const controller = new AbortController();
    const { search, requests } = searchOf(steep, 13);
    const measure: LimitSearch["measure"] = (request) => {
      if (request.attempt === 3) controller.abort();
      return search.measure(request);
    };
    await expect(
      findLimit({ ...search, measure, signal: controller.signal }),
    ).rejects.toMatchObject({ code: "interrupted" });
    expect(requests.length).toBe(4);
  });
});

test.each([
  ["no SLO", { slos: [] }, "no SLO is given"],
  ["a limit for throughput", { slos: [slo("rps>100")] }, "throughput is what is being varied"],
  ["loads out of order", { from: 50, most: 20 }, "from 50 requests/s"],
  ["a precision of nothing", { precision: 0 }, "precision of 0"],
  ["a load that is not a number", { from: Number.NaN }, "from NaN"],
])("%s is bad input", async (_, options, message) => {
  const { search, requests } = searchOf(steep, 14, options);
  await expect(findLimit(search)).rejects.toMatchObject({
    code: "bad-input",
    message: expect.stringContaining(message),
  });
  expect(requests).toEqual([]);
});
