/** The gate on the bundled registry, as a process: against itself, and against copies with a regression planted in them. */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtemp, rm, chmod } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { GateResult, SelfTestResult } from "../../src/core/gate.ts";
import type { MetricId } from "../../src/core/metric.ts";
import { plantedCopy, type Plant, type PlantOptions } from "./planted.ts";

const program = fileURLToPath(new URL("../../bin/perfopt.js", import.meta.url));
const TARGET = "profiles/targets/model-registry.yaml";
const GATE_TIMEOUT_MS = 30 * 60_000;
/** Of the CPU time that a request takes. */
const EXTRA_CPU = 0.1;
/** Of the median response time; a store in another zone adds no less. */
const EXTRA_WAIT = 0.4;
const HASHED_BYTES = 1 << 20;
const HASH_ROUNDS = 50;

export interface LiveRow {
  readonly planted: string;
  readonly wanted: string;
  readonly result: GateResult;
  readonly ok: boolean;
}

/** Every gate that the issue asks to be shown; takes as long as they take. */
export async function liveRows(options: { readonly tiny: boolean }): Promise<readonly LiveRow[]> {
  const folder = await mkdtemp(join(tmpdir(), "perfopt-bench-gate-"));
  // PostgreSQL's unprivileged user has to get through it.
  await chmod(folder, 0o755);
  try {
    return await inFolder(folder, options.tiny);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function inFolder(folder: string, tiny: boolean): Promise<readonly LiveRow[]> {
  const copy = (plant: Plant, planted: PlantOptions) =>
    plantedCopy(join(folder, plant), plant, planted);
  const nothing = { hashBytes: 1, dependencyMs: 0 };
  const base = await copy("nothing", nothing);
  const query = { ...sides(base, await copy("query", nothing)), folder };
  const counted = await row(
    "a query a request",
    "fail in tier 0",
    query,
    (result) => /planted/.test(result.reasons.join(" ")) && result.counters?.verdict === "fail",
  );
  if (tiny) return [counted];
  say("self-test: what can this machine see?");
  const seen: SelfTestResult = JSON.parse(
    await gate({ folder, args: ["--self-test", "12", "--base", `dir:${base}`] }),
  );
  const medianOf = (metric: MetricId) =>
    seen.metrics.find((each) => each.metric === metric)?.effect.incumbentMedian ?? Number.NaN;
  const planted: PlantOptions = {
    hashBytes: hashBytesFor(EXTRA_CPU * medianOf("service.cpuMsPerRequest")),
    dependencyMs: Math.max(2, Math.round(EXTRA_WAIT * medianOf("api.latencyP50Ms"))),
  };
  const rows = [counted];
  const add = async (
    name: string,
    wanted: string,
    head: string,
    isRight: (result: GateResult) => boolean,
  ) => {
    rows.push(await row(name, wanted, { ...sides(base, head), folder }, isRight));
  };
  await add("nothing", "pass", base, ({ verdict }) => verdict === "pass");
  await add(
    "10 % of CPU work",
    "fail in tier 1",
    await copy("cpu", planted),
    (result) => failed(result, "service.cpuMsPerRequest") && result.counters?.verdict === "pass",
  );
  await add(
    `a dependency ${planted.dependencyMs} ms slower`,
    "fail in tier 2",
    await copy("dependency", planted),
    (result) =>
      failed(result, "api.latencyP50Ms") &&
      !failed(result, "service.cpuMsPerRequest") &&
      result.counters?.verdict === "pass",
  );
  return rows;
}

function failed({ metrics }: GateResult, metric: MetricId): boolean {
  return metrics.some((each) => each.metric === metric && each.verdict === "fail");
}

function sides(base: string, head: string) {
  return { args: ["--base", `dir:${base}`, "--head", `dir:${head}`] };
}

interface Call {
  readonly folder: string;
  readonly args: readonly string[];
}

async function row(
  planted: string,
  wanted: string,
  call: Call,
  isRight: (result: GateResult) => boolean,
): Promise<LiveRow> {
  say(`gating a copy with ${planted} planted; wanted: ${wanted}`);
  const result: GateResult = JSON.parse(await gate(call));
  say(`${result.verdict} after ${result.windows.length} windows`);
  return { planted, wanted, result, ok: isRight(result) };
}

/** Runs the command line as a process, as CI does; whatever it decides, its JSON is on stdout. */
function gate({ folder, args }: Call): Promise<string> {
  const child = spawn(
    process.execPath,
    [
      program,
      "gate",
      "--target",
      join(folder, "nothing", TARGET),
      "--no-build",
      "--json",
      "--scale",
      "small",
      ...args,
    ],
    {
      cwd: folder,
      env: { ...process.env, PERFOPT_HOME: join(folder, "home"), CI: "true" },
      stdio: ["ignore", "pipe", "pipe"],
      timeout: GATE_TIMEOUT_MS,
    },
  );
  let out = "";
  let err = "";
  child.stdout.on("data", (text: Buffer) => (out += text.toString()));
  child.stderr.on("data", (text: Buffer) => (err += text.toString()));
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => {
      if (out.startsWith("{")) resolve(out);
      else
        reject(
          new Error(`perfopt gate ${args.join(" ")} ended with ${code}: ${err.slice(-2_000)}`),
        );
    });
  });
}

/** So many bytes take this long to hash here, in CPU time. */
function hashBytesFor(cpuMs: number): number {
  const bytes = Buffer.alloc(HASHED_BYTES, 7);
  const before = process.cpuUsage();
  for (let round = 0; round < HASH_ROUNDS; round += 1) createHash("sha256").update(bytes).digest();
  const used = process.cpuUsage(before);
  const msPerByte = (used.user + used.system) / 1_000 / (HASH_ROUNDS * HASHED_BYTES);
  return cpuMs / msPerByte;
}

/** Minutes go by: stdout is the result's. */
function say(line: string): void {
  process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${line}\n`);
}
