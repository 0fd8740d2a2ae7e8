import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { ConfigError } from "../../src/registry/config.ts";
import { createBalance } from "../../src/registry/gateway/balance.ts";
import { BALANCINGS } from "../../src/registry/gateway/config.ts";
import type { GatewayOptions } from "../../src/registry/gateway/gateway.ts";
import { haproxyConfig } from "../../src/registry/gateway/haproxy-config.ts";
import { makeFolder, removeLeftFolders } from "../../src/registry/gateway/haproxy-folder.ts";
import { haproxyProgram, validateConfig } from "../../src/registry/gateway/haproxy-process.ts";
import { startChildren } from "../../src/registry/gateway/children.ts";
import { createPages } from "../../src/registry/gateway/pages.ts";
import { randomFor } from "../../src/registry/seed/randomness.ts";
import { run } from "../../bench/balance.ts";
import { array, assert, nat, property, uniqueArray } from "../properties.ts";
import { gatewayKinds, hasHaproxy } from "./gateway-kinds.ts";
import { openFor, startFake } from "./gateway-world.ts";
import type { FakeWorker, TestGateway } from "./gateway-world.ts";

const opened: TestGateway[] = [];
const fakes: FakeWorker[] = [];

afterEach(async () => {
  await Promise.all(opened.splice(0).map((gateway) => gateway.close(1_000)));
  await Promise.all(fakes.splice(0).map((fake) => fake.kill().catch(() => undefined)));
});

type Load = { inflight: number; weight: number; got: number };

function loads(weights: readonly number[]): Load[] {
  return weights.map((weight) => ({ inflight: 0, weight, got: 0 }));
}

describe("balancing", () => {
  const { fraction } = randomFor(1, "test");

  test.each(BALANCINGS)("%s gives idle workers their weights' shares", (balancing) => {
    const workers = loads([1, 1, 0.5, 0.1]);
    const balance = createBalance<Load>(balancing, fraction);
    for (let turn = 0; turn < 2_600; turn += 1) {
      const chosen = balance(workers);
      if (chosen !== undefined) chosen.got += 1;
    }
    const shares = workers.map(({ got }) => got / 1_000);
    for (const [index, wanted] of [1, 1, 0.5, 0.1].entries())
      expect(shares[index]).toBeCloseTo(wanted, balancing === "two-choices" ? 0 : 1);
    expect(shares[3]).toBeLessThan(0.3);
  });

  test("least connections never chooses one that has more than another of the same weight", () => {
    assert(
      property(array(nat({ max: 5 }), { minLength: 1, maxLength: 8 }), (inflight) => {
        const workers = inflight.map((count) => ({ inflight: count, weight: 1 }));
        const chosen = createBalance("least-connections", fraction)(workers);
        expect(chosen?.inflight).toBe(Math.min(...inflight));
      }),
    );
  });

  test("two choices never chooses the one that has most", () => {
    assert(
      property(uniqueArray(nat(), { minLength: 2, maxLength: 8 }), (inflight) => {
        const workers = inflight.map((count) => ({ inflight: count, weight: 1 }));
        const chosen = createBalance("two-choices", fraction)(workers);
        expect(chosen?.inflight).toBeLessThan(Math.max(...inflight));
      }),
    );
  });

  test("without workers there is none to choose", () => {
    for (const balancing of BALANCINGS)
      expect(createBalance(balancing, fraction)([])).toBeUndefined();
  });
});

const page = (count: number, ratio: number, waiting: number): string =>
  [
    "# HELP c_total C.",
    "# TYPE c_total counter",
    `c_total{path="/a b",x="{}"} ${count}`,
    "# HELP h_seconds H.",
    "# TYPE h_seconds histogram",
    `h_seconds_bucket{le="0.1"} ${count}`,
    `h_seconds_bucket{le="+Inf"} ${2 * count}`,
    `h_seconds_sum ${count / 4}`,
    `h_seconds_count ${2 * count}`,
    "# HELP g_ratio G.",
    "# TYPE g_ratio gauge",
    `g_ratio ${ratio}`,
    "# HELP registry_event_loop_delay_seconds D.",
    "# TYPE registry_event_loop_delay_seconds gauge",
    `registry_event_loop_delay_seconds{quantile="0.99"} ${ratio}`,
    "# HELP registry_jobs J.",
    "# TYPE registry_jobs gauge",
    `registry_jobs{state="waiting"} ${waiting}`,
    `registry_jobs{state="active"} 2`,
    "# HELP registry_circuit_state S.",
    "# TYPE registry_circuit_state gauge",
    `registry_circuit_state{receiver="a"} ${ratio > 0.5 ? 2 : 1}`,
    "",
  ].join("\n");
const valueOf = (text: string, start: string): number =>
  Number(
    text
      .split("\n")
      .find((line) => line.startsWith(start))
      ?.slice(start.length),
  );

describe("the merged page", () => {
  test("counts are summed, gauges by what they mean", () => {
    const pages = createPages();
    pages.read("1", page(3, 0.2, 7));
    pages.read("2", page(5, 0.6, 9));
    const text = pages.merged();
    expect(valueOf(text, 'c_total{path="/a b",x="{}"}')).toBe(8);
    expect(valueOf(text, 'h_seconds_bucket{le="+Inf"}')).toBe(16);
    expect(valueOf(text, "h_seconds_sum")).toBe(2);
    expect(valueOf(text, "g_ratio")).toBeCloseTo(0.4);
    expect(valueOf(text, 'registry_event_loop_delay_seconds{quantile="0.99"}')).toBe(0.6);
    expect(valueOf(text, 'registry_jobs{state="waiting"}')).toBe(9);
    expect(valueOf(text, 'registry_jobs{state="active"}')).toBe(4);
    expect(valueOf(text, 'registry_circuit_state{receiver="a"}')).toBe(2);
    expect(text.match(/# TYPE c_total counter/g)).toHaveLength(1);
  });

  test("counts never go back: not when a worker ends, is replaced, or cannot be read", () => {
    const pages = createPages();
    const start = 'c_total{path="/a b",x="{}"}';
    pages.read("1", page(3, 0.2, 1));
    pages.read("2", page(5, 0.6, 1));
    pages.read("2", undefined);
    expect(valueOf(pages.merged(), start)).toBe(8);
    // Its gauges are nobody's.
    expect(valueOf(pages.merged(), "g_ratio")).toBe(0.2);
    pages.ended("1");
    pages.ended("2");
    expect(valueOf(pages.merged(), start)).toBe(8);
    pages.read("1", page(1, 0.3, 1));
    expect(valueOf(pages.merged(), start)).toBe(9);
    pages.ended("1");
    pages.read("1", page(1, 0.3, 1));
    expect(valueOf(pages.merged(), start)).toBe(10);
  });
});

describe("haproxy", () => {
  const options: GatewayOptions = {
    balancing: "two-choices",
    healthIntervalMs: 250,
    sticky: true,
    keepAlive: false,
    slowStartMs: 3_000,
    host: "127.0.0.1",
    port: 0,
    answerTimeoutMs: 9_000,
    workers: [
      { id: "1", url: "http://127.0.0.1:4001" },
      { id: "2", url: undefined },
    ],
  };
  const places = { port: 8080, ownPort: 4000, statsSocket: "/tmp/registry-stats" };

  test("every setting is in the configuration", () => {
    const text = haproxyConfig(options, places);
    for (const part of [
      "balance random(2)",
      "inter 250ms downinter 250ms fall 1 rise 1 slowstart 3000ms",
      "del-header Forwarded",
      "timeout check 187ms",
      "option http-server-close",
      "cookie registry_worker insert",
      "server w1 127.0.0.1:4001 cookie",
      "timeout server 9000ms",
      "mode 600",
    ])
      expect(text).toContain(part);
    const other = haproxyConfig(
      { ...options, sticky: false, keepAlive: true, balancing: "least-connections" },
      places,
    );
    expect(other).toContain("balance leastconn");
    expect(other).toContain("option http-keep-alive");
    expect(other).not.toContain("cookie");
  });

  test("HAProxy takes each configuration; without it the refusal names the package", () => {
    expect(() => haproxyProgram({ PATH: "/nonexistent" })).toThrow(ConfigError);
    expect(() => haproxyProgram({ PATH: "/nonexistent" })).toThrow(/apt-get install haproxy/);
    if (!hasHaproxy) return;
    const folder = mkdtempSync(join(tmpdir(), "registry-haproxy-test-"));
    const path = join(folder, "haproxy.cfg");
    const program = haproxyProgram(process.env);
    for (const balancing of BALANCINGS) {
      for (const flag of [true, false]) {
        const varied = { ...options, balancing, sticky: flag, keepAlive: !flag };
        writeFileSync(path, haproxyConfig({ ...varied, slowStartMs: flag ? 0 : 60_000 }, places));
        validateConfig(program, path);
      }
    }
    writeFileSync(path, "nonsense\n");
    expect(() => validateConfig(program, path)).toThrow(/refuses/);
    rmSync(folder, { recursive: true });
  });
});

test.each(gatewayKinds.filter(([kind]) => kind === "haproxy"))(
  "%s that was killed is started again, and finds the workers where they are now",
  async (_, open) => {
    const workers = await Promise.all(["1", "2"].map((id) => startFake(id)));
    fakes.push(...workers);
    const gateway = await openFor(workers.slice(0, 1), {}, open);
    opened.push(gateway);
    gateway.setWorker("1", workers[1]?.url);
    const children = readFileSync(`/proc/${process.pid}/task/${process.pid}/children`, "utf8");
    const [pid] = children
      .trim()
      .split(" ")
      .filter((each) => readFileSync(`/proc/${each}/cmdline`, "utf8").includes("haproxy.cfg"));
    process.kill(Number(pid), "SIGKILL");
    const ask = (): Promise<string> =>
      fetch(`${gateway.url}/x`).then(
        (answer) => answer.text(),
        () => "",
      );
    while (gateway.events.length === 0) await new Promise((resolve) => setImmediate(resolve));
    while ((await ask()) !== "2") await new Promise((resolve) => setImmediate(resolve));
    expect(gateway.events[0]?.type).toBe("trouble");
  },
);

test("folders that a killed supervisor left are removed, those of others are not", async () => {
  const before = process.env["TMPDIR"];
  const place = mkdtempSync(join(tmpdir(), "registry-folders-test-"));
  process.env["TMPDIR"] = place;
  try {
    const [own, left, noted] = await Promise.all([makeFolder(), makeFolder(), makeFolder()]);
    mkdirSync(join(place, "registry-haproxy-nobodys"));
    const owner = readFileSync(join(own, "owner"), "utf8").split(" ");
    // The same number, but another process; and one of another machine or container.
    writeFileSync(join(left, "owner"), [owner[0], owner[1], "1"].join(" "));
    writeFileSync(join(noted, "owner"), [owner[0], "elsewhere", "1"].join(" "));
    await removeLeftFolders();
    const names = readdirSync(place).map((name) => join(place, name));
    expect(new Set(names)).toEqual(new Set([own, noted, join(place, "registry-haproxy-nobodys")]));
  } finally {
    if (before === undefined) delete process.env["TMPDIR"];
    else process.env["TMPDIR"] = before;
    rmSync(place, { recursive: true });
  }
});

test("a service process is told how long it may still drain; one that does not end is killed", async () => {
  const folder = mkdtempSync(join(tmpdir(), "registry-children-test-"));
  const program = join(folder, "program.mjs");
  writeFileSync(
    program,
    `process.on("SIGTERM", () => undefined);
    process.on("message", (message) => {
      writeFileSync(new URL(process.env.REGISTRY_WORKER, import.meta.url), JSON.stringify(message));
      if (process.env.REGISTRY_WORKER === "1") process.exit(0);
    });
    import { writeFileSync } from "node:fs";
    process.send({ event: "listening", port: 1 });`,
  );
  const children = await startChildren({ count: 2, program, onEvent: () => undefined });
  await children.stop(700.5, 1_000);
  for (const worker of ["1", "2"])
    expect(JSON.parse(readFileSync(join(folder, worker), "utf8"))).toEqual({
      event: "stop",
      drainTimeoutMs: 700,
    });
  rmSync(folder, { recursive: true });
});

test("the benchmark's tiny run shows every gateway in every case", async () => {
  const { rows, acceptance } = await run({ tiny: true, dataDir: undefined });
  expect(rows.length % 8).toBe(0);
  // Times are for a quiet machine; who got how much is true on any.
  const shares = acceptance.filter(({ what }) => what.includes("Jain"));
  expect(shares.length).toBeGreaterThan(0);
  expect(shares.filter(({ ok }) => !ok)).toEqual([]);
}, 120_000);
