import { describe, expect, test } from "vitest";
import { bottlenecks, type Diagnosis, type DoctorEvidence } from "../../src/core/diagnosis.ts";
import { readings, type ReadingId, type Readings } from "../../src/core/readings.ts";
import { diagnose as diagnoseFor } from "../../src/doctor/diagnose.ts";
import * as fc from "../properties.ts";
import { both, changed, healthy, sicknesses, unindexed, type Changes } from "./evidence.ts";

const diagnose = (evidence: DoctorEvidence): Diagnosis =>
  diagnoseFor(evidence, { target: "a.yaml" });

function without(window: Readings, ...ids: readonly ReadingId[]): Readings {
  return Object.fromEntries(
    Object.entries(window).filter(([id]) => !ids.some((gone) => gone === id)),
  );
}

function lacking(evidence: DoctorEvidence, ...ids: readonly ReadingId[]): DoctorEvidence {
  return {
    ...evidence,
    quiet: without(evidence.quiet, ...ids),
    light: without(evidence.light, ...ids),
    loaded: without(evidence.loaded, ...ids),
  };
}

describe("one sickness", () => {
  test.each([...bottlenecks])("%s is named, alone, with its evidence and what to run", (name) => {
    const { verdict, findings, certainty, exonerated, next } = diagnose(changed(sicknesses[name]));
    expect(verdict).toBe(name);
    expect(findings.map(({ bottleneck }) => bottleneck)).toEqual([name]);
    expect(findings[0]?.evidence.length).toBeGreaterThan(0);
    expect(certainty).toBe("high");
    expect(exonerated).toHaveLength(bottlenecks.length - 1);
    expect(next.length).toBeGreaterThan(0);
  });

  test("a healthy service has none, surely, and every other one is exonerated", () => {
    const { verdict, certainty, exonerated, rows } = diagnose(healthy);
    expect([verdict, certainty]).toEqual(["none", "high"]);
    expect(exonerated.toSorted()).toEqual([...bottlenecks].toSorted());
    expect(rows.filter(({ status }) => status === "fail" || status === "not-measured")).toEqual([]);
  });

  test("sessions that wait for each other's locks are the database's trouble, in words of their own", () => {
    const { verdict, headline } = diagnose(
      changed({ loaded: { "db.activeMean": 5, "db.lockShare": 0.8, "db.busyShare": 0.2 } }),
    );
    expect(verdict).toBe("database-saturated");
    expect(headline).toContain("locks");
  });
});

describe("what explains what", () => {
  test.each([
    ["slow-query", "pool-starved"],
    ["slow-query", "database-saturated"],
    ["gc", "loop-blocked"],
    ["gc", "cpu"],
    ["loop-blocked", "pool-starved"],
    ["cpu", "queue-overload"],
    ["slow-upstream", "pool-starved"],
    ["redis", "database-saturated"],
    ["database-saturated", "queue-overload"],
    ["pool-starved", "queue-overload"],
  ] as const)("%s takes the blame from %s", (cause, symptom) => {
    const { verdict, findings } = diagnose(changed(both(sicknesses[symptom], sicknesses[cause])));
    expect(verdict).toBe(cause);
    const second = findings.find(({ bottleneck }) => bottleneck === symptom);
    // Collections do not let the loop's own rules fire at all.
    if (cause === "gc") expect(second).toBeUndefined();
    else expect(second?.symptomOf).toBe(cause);
  });

  test("of a symptom the table says EXONERATED and by what", () => {
    const { rows } = diagnose(changed(both(sicknesses["pool-starved"], { statement: unindexed })));
    const waiting = rows.find(({ title }) => title === "looks at which somebody waited");
    expect(waiting).toMatchObject({
      status: "exonerated",
      note: "pool-starved is explained by slow-query",
    });
  });

  test("two that have nothing to do with each other are both told, as causes", () => {
    const { findings } = diagnose(changed(both(sicknesses.redis, sicknesses.libuv)));
    expect(findings.map(({ bottleneck, symptomOf }) => [bottleneck, symptomOf])).toEqual([
      ["redis", undefined],
      ["libuv", undefined],
    ]);
  });

  test("a pool is not blamed while the database has more at work than cores for it", () => {
    const full = changed(both(sicknesses["pool-starved"], { loaded: { "db.activeMean": 8 } }));
    expect(diagnose(full).verdict).toBe("database-saturated");
  });
});

describe("evidence that is missing", () => {
  test("from outside alone a blocked loop is seen, and not sure", () => {
    const outside = lacking(changed(sicknesses["loop-blocked"]), "loop.delayP99Ms", "gc.share");
    const { verdict, certainty, findings } = diagnose(outside);
    expect([verdict, certainty]).toEqual(["loop-blocked", "low"]);
    expect(findings[0]?.missing).toEqual(["garbage collection: share of the time"]);
  });

  test("a helper thread that has a core to itself is libuv's, where nothing is probed", () => {
    const outside = changed({ loaded: { "process.busiestHelperCores": 0.95 } });
    expect(diagnose(lacking(outside, "libuv.probeP95Ms")).verdict).toBe("libuv");
  });

  test("without the service's metrics a healthy service has none, with what was not looked for", () => {
    const metrics = readings.filter(({ source }) => source.includes("metrics page"));
    const { verdict, certainty, unmeasured } = diagnose(
      lacking(healthy, ...metrics.map(({ id }) => id)),
    );
    expect([verdict, certainty]).toEqual(["none", "low"]);
    expect(unmeasured.map(({ bottleneck }) => bottleneck)).toEqual(
      expect.arrayContaining(["gc", "pool-starved", "queue-overload", "slow-upstream"]),
    );
  });

  test("with nothing but responses nobody knows", () => {
    const ids = readings.filter(({ resource }) => resource !== "load").map(({ id }) => id);
    const { verdict, because } = diagnose({
      ...lacking(healthy, ...ids),
      statementsMeasured: false,
    });
    expect(verdict).toBe("unknown");
    expect(because).toHaveLength(1);
  });

  test("what a target does not have is neither missing nor exonerated", () => {
    const redisless = lacking(
      { ...healthy, absent: ["redis"] },
      ...readings.filter(({ resource }) => resource === "Redis").map(({ id }) => id),
    );
    const { certainty, exonerated, rows } = diagnose(redisless);
    expect(certainty).toBe("high");
    expect(exonerated).not.toContain("redis");
    expect(rows.some(({ resource }) => resource === "Redis")).toBe(false);
  });

  test("a service that does not keep up for no known reason is unknown, not healthy", () => {
    const slow = changed({ loaded: { "load.completedShare": 0.6 } });
    expect(diagnose(slow)).toMatchObject({
      verdict: "unknown",
      because: ["60.0 % of the requests answered in time"],
    });
  });
});

describe("refusals", () => {
  test.each<[string, Changes]>([
    ["pressure without load", { quiet: { "machine.cpuPressure": 0.3 } }],
    ["disks that are busy without load", { quiet: { "machine.ioPressure": 0.3 } }],
    ["others at work", { loaded: { "machine.foreignShare": 0.2, "machine.cpuPressure": 0.5 } }],
    ["stolen time", { loaded: { "machine.stealShare": 0.06 } }],
  ])("%s: the host, whatever else is seen", (_, noise) => {
    for (const sickness of [{}, ...Object.values(sicknesses)]) {
      const { verdict, findings, because } = diagnose(changed(both(sickness, noise)));
      expect(verdict).toBe("host");
      expect(findings).toEqual([]);
      expect(because.length).toBeGreaterThan(0);
    }
  });

  test("others at work whom nobody feels are no noise", () => {
    expect(diagnose(changed({ loaded: { "machine.foreignShare": 0.2 } })).verdict).toBe("none");
  });

  test("who says that the machine is busy gets a diagnosis all the same", () => {
    const noisy = changed(both(sicknesses.gc, { quiet: { "machine.cpuPressure": 0.9 } }));
    const { verdict, certainty, remarks } = diagnose({ ...noisy, hostJudged: false });
    expect([verdict, certainty]).toEqual(["gc", "low"]);
    expect(remarks?.join()).toMatch(/neighbours' doing .*without load 90.0 %/);
    expect(diagnose(healthy).remarks).toBeUndefined();
  });

  test.each<[string, Changes]>([
    ["a late generator", { loaded: { "generator.lagOverLimit": 1.4 } }],
    ["a generator without CPU to spare", { loaded: { "generator.cpuShare": 0.9 } }],
    ["numbers that contradict each other", { loaded: { "generator.littleDifference": 0.08 } }],
    ["the same with one request at a time", { light: { "generator.littleDifference": 0.08 } }],
  ])("%s: nothing is diagnosed", (_, broken) => {
    for (const sickness of [{}, ...Object.values(sicknesses)]) {
      const { verdict, findings } = diagnose(changed(both(sickness, broken)));
      expect([verdict, findings]).toEqual(["unknown", []]);
    }
  });
});

describe("calls to other services", () => {
  /** 0.2 webhooks a request of 80 ms, beside requests of 20 ms. */
  const webhooks: Readings = {
    "load.latencyMeanMs": 20,
    "load.latencyP50Ms": 17,
    "load.latencyP90Ms": 34,
    "load.latencyP95Ms": 45,
    "upstream.meanMs": 80,
    "upstream.callsPerRequest": 0.2,
    "upstream.msPerRequest": 16,
    "upstream.jobsMsPerRequest": 18,
  };

  test("that jobs make limit no request", () => {
    const { verdict, exonerated } = diagnose(changed({ loaded: webhooks }));
    expect([verdict, exonerated.includes("slow-upstream")]).toEqual(["none", true]);
  });

  test("take no blame from a starved pool, were requests as slow as they", () => {
    const slow = { ...sicknesses["pool-starved"].loaded, "load.latencyP90Ms": 150 };
    const { verdict, findings } = diagnose(
      changed({
        loaded: {
          ...webhooks,
          ...slow,
          "upstream.callsPerRequest": 0.6,
          "upstream.msPerRequest": 48,
          "upstream.jobsMsPerRequest": 60,
        },
      }),
    );
    expect([verdict, findings[0]?.certainty]).toEqual(["pool-starved", "high"]);
  });

  test("that jobs may have made and requests too are not measured, and not blamed", () => {
    const unclear = { ...sicknesses["slow-upstream"].loaded, "upstream.jobsMsPerRequest": 190 };
    const { verdict, certainty, unmeasured } = diagnose(changed({ loaded: unclear }));
    expect([verdict, certainty]).toEqual(["none", "low"]);
    expect(unmeasured).toEqual([
      {
        bottleneck: "slow-upstream",
        missing: ["other services: calls that requests make, share of the response"],
      },
    ]);
  });

  test("are the requests' own as far as jobs had no time for them", () => {
    const own = { ...sicknesses["slow-upstream"].loaded, "upstream.jobsMsPerRequest": 40 };
    expect(diagnose(changed({ loaded: own }))).toMatchObject({
      verdict: "slow-upstream",
      certainty: "high",
    });
  });
});

describe("a queue", () => {
  test("that is longer at the end than at the start, with waits that do not grow, keeps up", () => {
    const steady = { ...sicknesses["queue-overload"].loaded, "queue.waitGrowthMs": -1 };
    expect(diagnose(changed({ loaded: steady })).verdict).toBe("none");
  });

  test("that is full refuses jobs and does not grow", () => {
    const full = diagnose(
      changed({
        loaded: {
          "queue.excessShare": 0.3,
          "queue.rejectedShare": 0.3,
          "queue.growthShare": 0,
          "queue.waitMeanMs": 4_000,
        },
      }),
    );
    expect(full.verdict).toBe("queue-overload");
    expect(full.headline).toContain("refused");
  });
});

test("threads wait in line for libuv, though the main thread, which seldom runs, waits for most of what it runs", () => {
  const seldom = {
    ...sicknesses.libuv.loaded,
    "process.mainThreadCores": 0.05,
    "process.mainThreadWanting": 0.19,
  };
  expect(diagnose(changed({ loaded: seldom })).verdict).toBe("libuv");
  const starved = { ...seldom, "process.mainThreadWanting": 0.4 };
  expect(diagnose(changed({ loaded: starved })).verdict).toBe("none");
});

test("a service that does not keep up without the CPU that it wants: that is said, in words and in the table", () => {
  const { verdict, because, headline, rows } = diagnose(
    changed({
      loaded: {
        "load.completedShare": 0.4,
        "process.mainThreadWanting": 0.8,
        "process.mainThreadCores": 0.25,
      },
    }),
  );
  expect(verdict).toBe("unknown");
  expect(headline).toContain("CPU");
  expect(because.at(-1)).toBe("process: main thread in line for a CPU 55.0 % (>= 20.0 %)");
  expect(rows.find(({ title }) => title === "main thread in line for a CPU")?.status).toBe("fail");
});

const ratio = fc.double({ min: 0, max: 1, noNaN: true });
const positive = fc.double({ min: 0, max: 1_000, noNaN: true });

/** Any numbers at all, on a quiet machine with a sound generator. */
const window = fc.record(
  Object.fromEntries(
    readings.map(({ id, unit }) => [
      id,
      /^(?:generator|machine)\./.test(id)
        ? fc.constant(0.01)
        : unit === "ratio"
          ? ratio
          : fc.oneof(fc.double({ min: 0, max: 2, noNaN: true }), positive),
    ]),
  ),
  { requiredKeys: [] },
);

const anything: fc.Arbitrary<DoctorEvidence> = fc.record({
  cores: fc.integer({ min: 1, max: 64 }),
  quiet: window,
  light: window,
  loaded: window,
  statementsMeasured: fc.boolean(),
  hostJudged: fc.constant(true),
});

/** A healthy service with a few readings of any size. */
const nearlyHealthy = fc
  .tuple(window, fc.uniqueArray(fc.constantFrom(...readings.map(({ id }) => id)), { maxLength: 3 }))
  .map(([any, ids]) => {
    const few = Object.fromEntries(
      Object.entries(any).filter(([id]) => ids.some((each) => each === id)),
    );
    return changed({ loaded: few });
  });

const removed = fc.uniqueArray(fc.constantFrom(...readings.map(({ id }) => id)));

describe("whatever the numbers are", () => {
  test("what was not measured never turns none into a bottleneck", () => {
    let healthyOnes = 0;
    fc.assert(
      fc.property(fc.oneof(anything, nearlyHealthy), removed, (evidence, ids) => {
        if (diagnose(evidence).verdict !== "none") return;
        healthyOnes += 1;
        expect(["none", "unknown"]).toContain(diagnose(lacking(evidence, ...ids)).verdict);
      }),
      { numRuns: 1_000 },
    );
    expect(healthyOnes).toBeGreaterThan(100);
  });

  test("the first finding is the verdict, causes come before symptoms, and nothing is its own cause", () => {
    fc.assert(
      fc.property(anything, (evidence) => {
        const { verdict, findings, exonerated, unmeasured } = diagnose(evidence);
        if (findings.length > 0) expect(verdict).toBe(findings[0]?.bottleneck);
        const symptoms = findings.map(({ symptomOf }) => symptomOf !== undefined);
        expect(symptoms).toEqual(symptoms.toSorted((left, right) => Number(left) - Number(right)));
        for (const { bottleneck, symptomOf } of findings) {
          expect(symptomOf).not.toBe(bottleneck);
          expect(exonerated).not.toContain(bottleneck);
        }
        for (const { bottleneck } of unmeasured) expect(exonerated).not.toContain(bottleneck);
      }),
    );
  });
});
