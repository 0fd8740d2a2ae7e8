/** Gates and benches as a user makes them, in a git repository of a small service: two commits, a folder, a URL. */
import { execFileSync, spawn } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:http";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { GateResult, SelfTestResult } from "../../src/core/gate.ts";
import type { BenchResult } from "../../src/core/result.ts";
import { makePlace, perfopt, program, root, type Ended, type Place } from "../cli/perfopt.ts";

const fixtures = resolve(import.meta.dirname, "../target");

const TARGET = `
name: shop
title: Shop
description: a small service in a repository of its own
service:
  start: [node, service.mjs]
  build: node build.mjs
  env: { PORT: "\${port}", DATABASE_URL: "\${postgres.url}", REDIS_URL: "\${redis.url}" }
  ready: /ready
postgres:
  embedded: { database: shop, settings: {} }
redis:
  local: { settings: {} }
seed:
  command: [node, ${JSON.stringify(join(fixtures, "fixture-seed.mjs"))}, "\${scale}", "\${seed}"]
  scales: [tiny]
  default: tiny
  quick: tiny
knobs: {}
workloads:
  lookups:
    parameters:
      owner: { int: { min: 1, max: 199 } }
    requests:
      - { name: items-of-owner, weight: 1, path: "/\${owner}" }
`;

/** What a checkout lacks: its dependencies. */
const BUILD = `
import { existsSync, symlinkSync } from "node:fs";
if (!existsSync("node_modules")) symlinkSync(${JSON.stringify(join(root, "node_modules"))}, "node_modules");
`;

/** Short windows and a margin that any machine can see: what is tested is that the parts meet, not how well they measure. */
const BRIEF = [
  "--rate",
  "60",
  "--window",
  "1s",
  "--warmup",
  "200ms",
  "--lag-max",
  "10s",
  "--timeout",
  "5s",
  "--busy-machine",
];

let place: Place;
let repository: string;

beforeAll(() => {
  place = makePlace();
  chmodSync(place.folder, 0o755);
  repository = join(place.folder, "repo");
  mkdirSync(repository);
  writeFileSync(join(repository, "target.yaml"), TARGET);
  writeFileSync(join(repository, "build.mjs"), BUILD);
  writeFileSync(join(repository, ".gitignore"), "node_modules\n");
  writeFileSync(join(repository, "service.mjs"), service());
  git("init", "--quiet", "--initial-branch=main");
  git("config", "user.email", "test@example.org");
  git("config", "user.name", "Test");
  commit("the service");
  git("checkout", "--quiet", "-b", "slow");
  writeFileSync(join(repository, "service.mjs"), service("SELECT count(*) AS planted FROM items"));
  commit("an extra query");
  execFileSync(process.execPath, ["build.mjs"], { cwd: repository });
}, 60_000);
afterAll(() => place.remove());

function service(extra?: string): string {
  const source = readFileSync(join(fixtures, "fixture-service.mjs"), "utf8");
  if (extra === undefined) return source;
  return source.replace(
    "else response.end(await item(",
    `else await query(${JSON.stringify(extra)}), response.end(await item(`,
  );
}

function git(...args: readonly string[]): string {
  return execFileSync("git", args, { cwd: repository, encoding: "utf8" });
}

function commit(message: string): void {
  git("add", "--all");
  git("commit", "--quiet", "-m", message);
}

function inRepository(args: readonly string[]): Promise<Ended> {
  return perfopt({ ...place, folder: repository }, args);
}

describe("gate", () => {
  test("a commit with an extra query fails before any trial, and the statement is named", async () => {
    const before = git("status", "--porcelain", "--branch");
    const ended = await inRepository(
      ["gate", "--target", "target.yaml", "--base", "main", "--json", "--output", "../out"].concat(
        BRIEF,
      ),
    );
    expect(ended.err).toContain("building");
    expect(ended.code, ended.err).toBe(1);
    const result: GateResult = JSON.parse(ended.out);
    expect(result.verdict).toBe("fail");
    expect(result.reasons.join("\n")).toMatch(/items-of-owner.*planted/is);
    expect(result.head.commit).toBe(git("rev-parse", "--short=12", "HEAD").trim());
    expect(result.base.commit).toBe(git("rev-parse", "--short=12", "main").trim());
    expect(readdirSync(join(place.folder, "out")).toSorted()).toContain("junit.xml");
    expect(git("status", "--porcelain", "--branch")).toBe(before);
    expect((await inRepository(["status", "--json"])).out).not.toContain("dirty");
  }, 240_000);

  test("a commit against itself counts the same, and is compared to the end", async () => {
    const ended = await inRepository(
      [
        ..."gate --target target.yaml --base main --head main --metrics db-cpu,p50 --json".split(
          " ",
        ),
        ..."--margin 90% --pairs 6 --keep-going".split(" "),
      ].concat(BRIEF),
    );
    expect([0, 3], ended.err).toContain(ended.code);
    const result: GateResult = JSON.parse(ended.out);
    expect(result.counters?.verdict).toBe("pass");
    expect(result.verdict).not.toBe("fail");
    expect(result.metrics.map(({ metric }) => metric)).toEqual([
      "db.cpuMsPerRequest",
      "api.latencyP50Ms",
    ]);
    expect(result.windows.length).toBeGreaterThanOrEqual(10);
  }, 300_000);

  test("a self-test says what this machine can see, and gates below it are refused", async () => {
    const common = ["gate", "--target", "target.yaml", "--metrics", "cpu", "--head", "main"].concat(
      BRIEF,
    );
    const tested = await inRepository([...common, "--self-test", "5", "--json"]);
    const result: SelfTestResult = JSON.parse(tested.out);
    expect(result.metrics.map(({ metric }) => metric)).toEqual(["service.cpuMsPerRequest"]);
    const detectable = result.metrics[0]?.detectable ?? 0;
    expect(detectable).toBeGreaterThan(0);
    const refused = await inRepository([...common, "--base", "main", "--margin", "0.01%"]);
    expect(refused.code).toBe(2);
    expect(refused.err).toContain("below what this machine can see");
  }, 300_000);

  test("sides that do not exist are refused before anything is started", async () => {
    const wrong: readonly (readonly [string, string])[] = [
      ["no-such-ref", "names no commit"],
      ["./nowhere", "no such directory"],
      ["command:", "expected something"],
      ["http://127.0.0.1:1/", "one side is a URL"],
    ];
    for (const [base, message] of wrong) {
      const ended = await inRepository(["gate", "--target", "target.yaml", "--base", base]);
      expect(ended.code, base).toBe(2);
      expect(ended.err, base).toContain(message);
    }
  }, 60_000);
});

describe("bench", () => {
  test("measures the service with its stores, and holds it against limits", async () => {
    const limits = ["--slo", "p95<30s", "errors<50%", "--windows", "2", "--json"];
    const ended = await inRepository(["bench", "--target", "target.yaml", ...limits].concat(BRIEF));
    expect(ended.code, ended.err).toBe(0);
    const result: BenchResult = JSON.parse(ended.out);
    expect(result.windows).toHaveLength(2);
    expect(result.metrics["db.statementsPerRequest"]?.value).toBeCloseTo(2, 1);
    expect(result.slos.map(({ verdict }) => verdict)).toEqual(["pass", "pass"]);
    expect(result.windows[0]?.server?.statements?.[0]?.sql).toContain("FROM items");
    const missed = await inRepository(
      ["bench", "--target", "target.yaml", "--slo", "p50<1ms", "--windows", "1"].concat(BRIEF),
    );
    expect(missed.code, missed.out + missed.err).toBe(1);
  }, 240_000);

  test("a service at a URL needs no target file", async () => {
    const server = createServer((_, response) => response.end("hello"));
    const port = await new Promise<number>((done) => {
      server.listen(0, "127.0.0.1", () => {
        const address = server.address();
        done(typeof address === "object" && address ? address.port : 0);
      });
    });
    const url = `http://127.0.0.1:${port}/health`;
    try {
      const ended = await inRepository(
        ["bench", "--url", url, "--windows", "1", "--json"].concat(BRIEF),
      );
      expect(ended.code, ended.err).toBe(0);
      const result: BenchResult = JSON.parse(ended.out);
      expect(result.endpoints[0]).toMatchObject({ name: "url", errors: 0 });
      expect(result.warnings.join(" ")).toContain("perfopt did not start it");
    } finally {
      server.close();
    }
  }, 60_000);

  test("Ctrl-C takes everything down and exits 130", async () => {
    const child = spawn(
      process.execPath,
      [program, "bench", "--target", "target.yaml", "--windows", "1000", ...BRIEF],
      { cwd: repository, env: { ...process.env, PERFOPT_HOME: place.home, CI: "true" } },
    );
    await new Promise<void>((measuring, ended) => {
      child.once("exit", (code) => ended(new Error(`it ended with ${code} by itself`)));
      child.stderr.on("data", (text: Buffer) => {
        if (text.toString().includes("window 2 of")) measuring();
      });
    });
    child.kill("SIGINT");
    const code = await new Promise<number | null>((done) => child.once("exit", done));
    expect(code).toBe(130);
    expect((await inRepository(["status", "--json"])).out).not.toContain("dirty");
    expect(
      existsSync(join(place.home, "arms")) ? readdirSync(join(place.home, "arms")) : [],
    ).toEqual([]);
  }, 120_000);
});
