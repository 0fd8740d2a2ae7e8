/** `perfopt advise pool` as a user runs it: from CSV, on a service by its URL, on one that it starts; what it refuses, and what it leaves. */
import { spawn } from "node:child_process";
import { chmod, readdir, readFile, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { contextOf } from "../../src/cli/context.ts";
import { main } from "../../src/cli/main.ts";
import type { PoolAdvice } from "../../src/core/pool-advice.ts";
import { inProcess } from "./in-process.ts";
import { makePlace, root, type Ended, type Place } from "./perfopt.ts";

let place: Place;

const SWEEP = `clients,tps
1,9953
2,14007
4,15816
8,17399
16,16918
32,15480
64,12629
100,9466
`;

beforeAll(async () => {
  place = makePlace();
  // PostgreSQL's unprivileged user has to get through it.
  await chmod(place.folder, 0o755);
  await writeFile(join(place.folder, "sweep.csv"), SWEEP);
});
afterAll(() => place.remove());

function advise(...args: readonly string[]): Promise<Ended> {
  return inProcess(place.folder, "advise", "pool", ...args);
}

async function adviceOf(...args: readonly string[]): Promise<PoolAdvice> {
  const { code, out, err } = await advise("--json", ...args);
  expect(err).not.toContain("error:");
  expect(code).toBe(0);
  const advice: PoolAdvice = JSON.parse(out);
  return advice;
}

async function csv(text: string): Promise<string> {
  await writeFile(join(place.folder, "written.csv"), text);
  return "written.csv";
}

describe("a CSV", () => {
  test("is advised on: the size, the law, the formula; verdict first", async () => {
    const { code, out } = await advise("--csv", "sweep.csv", "--cores", "2");
    expect(code).toBe(0);
    expect(out.split("\n")[0]).toMatch(/^SIZED sweep\.csv: 8 connections: 17399\/s.*N\* 9\.76/);
    expect(out).toMatch(/HikariCP wiki: 2 cores x 2 \+ 1 spindle\s+│ 5 /);
  });

  test("leaves advice, Markdown and the chart in a folder", async () => {
    await advise("--csv", "sweep.csv", "--output", "out");
    const folder = join(place.folder, "out");
    expect((await readdir(folder)).toSorted()).toEqual([
      "advice.json",
      "advice.md",
      "throughput-by-size.svg",
    ]);
    expect(await readFile(join(folder, "advice.md"), "utf8")).toMatch(
      /### perfopt advise pool: SIZED/,
    );
    expect(await readFile(join(folder, "throughput-by-size.svg"), "utf8")).toContain("N* 9.76");
  });

  test("is read by the names of its columns, in any order, with other separators and units", async () => {
    const file = await csv(
      "# from the lab\nlatency_us;TPS;Pool Size;p99_s\n1000;900;1;0.002\n2000;1500;2;0.004\n4000;1490;4;0.009\n",
    );
    const { points, subject, verdict } = await adviceOf("--csv", file);
    expect({ subject, verdict }).toEqual({ subject: "pool", verdict: "unclear" });
    expect(points[1]).toMatchObject({ size: 2, throughput: 1_500, responseMs: 2, latencyP99Ms: 4 });
  });

  test("units may stand in brackets, and columns that are not used are named", async () => {
    const file = await csv(
      "Clients,Throughput (req/s),Avg Response (s),p95 latency [ms],note,tps\n1,100,0.01,20,a,1\n2,180,0.011,30,b,2\n",
    );
    const { points, caveats } = await adviceOf("--csv", file);
    expect(points[1]).toMatchObject({ throughput: 180, responseMs: 11, latencyP95Ms: 30 });
    expect(caveats).toContain('columns that were not used: "note", "tps"');
  });

  test("without a header is clients, throughput and milliseconds; Little's law leaves out what cannot be", async () => {
    const file = await csv("1,100,10\n2,190,10.5\n4,300,13.3\n8,310,5\n");
    const { points, leftOut } = await adviceOf("--csv", file);
    expect(points.map(({ size }) => size)).toEqual([1, 2, 4]);
    expect(leftOut).toMatchObject([{ size: 8, from: "line 4" }]);
  });

  test("is bounded by what the server leaves, and by deadlocks", async () => {
    const limits = ["--max-connections", "40", "--processes", "2", "--copies", "2"];
    expect(await adviceOf("--csv", "sweep.csv", ...limits)).toMatchObject({ limit: { size: 9 } });
    const floor = ["--threads", "20", "--connections-per-request", "2"];
    expect(await adviceOf("--csv", "sweep.csv", ...floor)).toMatchObject({
      floor: { size: 21 },
      verdict: "bounded",
      recommended: 32,
    });
  });

  test("comes from standard input of a process, too", async () => {
    const { code, out } = await asProcess(["--csv", "-", "--json"], SWEEP);
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ source: "stdin", recommended: 8 });
  });
});

describe("refuses, with exit code 2 and what to do", () => {
  test.each<[what: string, text: string, words: RegExp]>([
    ["an empty file", "", /written\.csv is empty.*begin the file with a header/s],
    ["a header alone", "clients,tps\n", /no rows below its header/],
    [
      "columns it does not know",
      "a,b\n1,2\n",
      /written\.csv:1: the header names no column clients[^]*; it has "a", "b"/,
    ],
    ["no throughput", "clients,p95\n1,2\n", /names no column throughput/],
    ["one column", "1\n2\n", /written\.csv:1: expected at least two columns, found 1/],
    [
      "a text for a number",
      "clients,tps\n1,10\n2,fast\n",
      /written\.csv:3: expected a number as throughput, found "fast"/,
    ],
    ["a size of nothing", "clients,tps\n0,10\n", /written\.csv:2: expected a size from 1/],
    [
      "a missing number",
      "clients,tps\n4,10\n5\n",
      /written\.csv:3: expected a throughput, found none/,
    ],
    [
      "a number below zero",
      "clients,tps\n1,10\n2,-3\n",
      /written\.csv:3: throughput is -3, and cannot be below zero/,
    ],
    ["a broken quote", 'clients,tps\n1,"10\n', /written\.csv.*Quote/],
  ])("%s", async (_, text, words) => {
    const { code, err, out } = await advise("--csv", await csv(text));
    expect(err).toMatch(words);
    expect({ code, out }).toEqual({ code: 2, out: "" });
  });

  test.each<[what: string, args: readonly string[], words: RegExp]>([
    ["a file that is not there", ["--csv", "none.csv"], /none\.csv could not be read/],
    [
      "a folder that no file system makes",
      ["--csv", "sweep.csv", "--output", "/proc/perfopt/x"],
      /--output \/proc\/perfopt\/x: the folder could not be made/,
    ],
    ["two sources", ["--csv", "sweep.csv", "--url", "http://h"], /two sources/],
    [
      "senders that do not exercise the sizes",
      ["--sizes", "2,4,8", "--senders", "8"],
      /--senders 8: a pool of 8 is exercised by more than 8/,
    ],
    ["no count", ["--csv", "sweep.csv", "--cores", "many"], /--cores many/],
    [
      "half a deadlock",
      ["--csv", "sweep.csv", "--connections-per-request", "2"],
      /needs --threads/,
    ],
    [
      "sizes that are none",
      ["--url", "http://h", "--sizes", "1,1,2"],
      /3 to 20 different sizes, found 2/,
    ],
    ["a budget too small", ["--url", "http://h", "--budget", "6s"], /does not pay for 4 sizes/],
  ])("%s", async (_, args, words) => {
    const { code, err, out } = await advise(...args);
    expect(err).toMatch(words);
    expect({ code, out }).toEqual({ code: 2, out: "" });
  });

  test("measurements of which none can be used, with exit code 3", async () => {
    const { code, err } = await advise(
      "--csv",
      await csv("users,rps,ms\nlong,1\n").then(() => csv("1,100,900\n2,100,900\n")),
    );
    expect(code).toBe(3);
    expect(err).toMatch(/none of them can be used: line 1: Little's law/);
  });
});

describe("a service by its URL", () => {
  let server: Server;
  let url: string;

  /** Two at a time, each for 4 ms: more users than two only queue. */
  beforeAll(async () => {
    const waiting: (() => void)[] = [];
    let busy = 0;
    const take = () => {
      const next = busy < 2 ? waiting.shift() : undefined;
      if (!next) return;
      busy += 1;
      next();
    };
    server = createServer((_, response) => {
      waiting.push(() => {
        setTimeout(() => {
          busy -= 1;
          response.end("ok");
          take();
        }, 4);
      });
      take();
    });
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    // eslint-disable-next-line no-unsafe-type-assertion -- a server that listens on a port has an address
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/things`;
  });
  afterAll(() => server.close());

  test("has its users swept: where it is full, and what that does not say of its pool", async () => {
    const sizes = ["--sizes", "1,2,4,8", "--window", "600ms", "--busy-machine"];
    const { points, leftOut, subject, caveats } = await adviceOf(
      "--url",
      url,
      ...sizes,
      "--budget",
      "15s",
    );
    expect(subject).toBe("users");
    expect(points.length + leftOut.length).toBeGreaterThanOrEqual(3);
    const [first, last] = [points[0], points.at(-1)];
    expect(last?.throughput).toBeGreaterThan((first?.throughput ?? Infinity) * 1.2);
    expect(caveats.join("\n")).toMatch(/cannot be known without changing it/);
  }, 60_000);

  test("that is not there is an error that says so", async () => {
    const { code, err } = await advise(
      "--url",
      "http://127.0.0.1:1/",
      "--window",
      "200ms",
      "--budget",
      "30s",
      "--sizes",
      "1,2,3",
    );
    expect(code).toBe(3);
    expect(err).toMatch(/no request succeeded with [^]*failed/);
  }, 60_000);
});

const fixtures = resolve(import.meta.dirname, "../target");

const TARGET = `
name: pooled
title: Pooled
description: a small service with a pool
service:
  start: [node, fixture-service.mjs]
  directory: ${JSON.stringify(fixtures)}
  env:
    PORT: "\${port}"
    DATABASE_URL: "\${postgres.url}"
    REDIS_URL: "\${redis.url}"
  ready: /ready
  metrics:
    path: /metrics
    series:
      poolTotal: pool_connections{state="total"}
      poolIdle: pool_connections{state="idle"}
      poolWaitSecondsSum: pool_wait_seconds_sum
      poolWaitCount: pool_wait_seconds_count
postgres:
  embedded: { database: shop, settings: { max_connections: "40" } }
redis:
  local: { settings: {} }
seed:
  command: [node, fixture-seed.mjs, "\${scale}", "\${seed}"]
  directory: ${JSON.stringify(fixtures)}
  scales: [tiny]
  default: tiny
  quick: tiny
knobs:
  connections:
    { title: Connections, role: pool-max, type: int, min: 1, max: 64, default: 5, env: POOL_MAX }
workloads:
  lookups:
    parameters:
      owner: { int: { min: 1, max: 150 } }
    requests:
      - { name: items-of-owner, weight: 1, path: "/\${owner}" }
`;

describe("a service that it starts", () => {
  const asked = ["--target", "target.yaml", "--window", "500ms", "--busy-machine"];

  beforeAll(() => writeFile(join(place.folder, "target.yaml"), TARGET));

  test("has its pool swept with fresh processes, and leaves nothing", async () => {
    const printed = { out: "", err: "" };
    const args = [
      "advise",
      "pool",
      ...asked,
      "--json",
      "--sizes",
      "1,2,4",
      "--senders",
      "8",
      "--budget",
      "20s",
    ];
    const context = contextOf(args);
    const code = await main(args, {
      ...context,
      home: place.home,
      directory: place.folder,
      interactive: false,
      out: (text) => void (printed.out += text),
      err: (text) => void (printed.err += text),
    });
    expect(printed.err).toMatch(
      /Sweep of the pool's limit \(8 requests always under way\): 1, 2, 4; \d rounds?/,
    );
    expect(code, printed.err).toBe(0);
    const advice: PoolAdvice = JSON.parse(printed.out);
    expect(advice).toMatchObject({
      subject: "pool",
      present: 5,
      limit: { maxConnections: 40, size: 37 },
    });
    // How many of the sizes the budget pays for is a matter of the machine.
    expect(advice.points.length + advice.leftOut.length).toBeGreaterThanOrEqual(1);
    // With one connection, 8 senders wait for it most of the time.
    const one = advice.points.find(({ size }) => size === 1);
    if (one)
      expect(one.inside).toMatchObject({
        waitMs: expect.any(Number),
        executing: expect.any(Number),
      });
    expect(await readdir(join(place.home, "arms"))).toEqual([]);
  }, 180_000);

  test("refuses sizes that the setting cannot have, before anything is started", async () => {
    const { code, err } = await advise(...asked, "--sizes", "2,4,100");
    expect(code).toBe(2);
    expect(err).toMatch(/--sizes: 100 is outside what connections may be \(1 to 64\)/);
  });

  test("is taken down on Ctrl-C, with exit code 130", async () => {
    const { code, err } = await asProcess(
      [...asked, "--budget", "2m"],
      undefined,
      /measurement 1 of/,
    );
    expect(err).toMatch(/interrupted/);
    expect(code).toBe(130);
    expect(await readdir(join(place.home, "arms"))).toEqual([]);
  }, 180_000);
});

/** The command line from its sources, as a process; interrupted when it has printed that. */
function asProcess(args: readonly string[], input?: string, interruptAt?: RegExp): Promise<Ended> {
  const script = `import { main } from ${JSON.stringify(join(root, "src/cli/main.ts"))}; process.exitCode = await main(process.argv.slice(1));`;
  const child = spawn(
    process.execPath,
    [
      "--import",
      join(root, "node_modules/tsx/dist/loader.mjs"),
      "--input-type=module",
      "-e",
      script,
      "advise",
      "pool",
      ...args,
    ],
    {
      cwd: place.folder,
      env: { ...process.env, PERFOPT_HOME: place.home, CI: "true" },
      timeout: 150_000,
    },
  );
  const printed = { out: "", err: "" };
  let interrupted = false;
  child.stdout.on("data", (data: Buffer) => (printed.out += data.toString()));
  child.stderr.on("data", (data: Buffer) => {
    printed.err += data.toString();
    if (interrupted || !interruptAt?.test(printed.err)) return;
    interrupted = true;
    child.kill("SIGINT");
  });
  child.stdin.end(input ?? "");
  return new Promise((done) => {
    child.on("close", (code) => done({ code: code ?? -1, ...printed }));
  });
}
