/** The options that say what load is sent, shared by bench and gate, and the load itself as the arms call for it. */
import { readFileSync } from "node:fs";
import { Option, type Command } from "commander";
import { PerfoptError } from "../core/errors.ts";
import { metricOf, type MetricId } from "../core/metric.ts";
import type { Persona, PersonaWorkload } from "../core/persona.ts";
import { parseSlo, type Slo } from "../core/slo.ts";
import type { TargetFile } from "../core/target-file.ts";
import { formatRatio, parseDuration } from "../core/units.ts";
import type { WorkloadDefinition } from "../core/workload.ts";
import { LAG_MS_MAX } from "../load/checks.ts";
import type { Context } from "./context.ts";
import type { CommonRequest } from "./load-functions.ts";
import { personaOf } from "./personas.ts";
import { formatMetric } from "./words.ts";

export interface LoadOptions {
  readonly persona?: string;
  readonly workload?: string;
  readonly seed: string;
  readonly rate?: string;
  readonly window?: string;
  readonly warmup?: string;
  readonly timeout?: string;
  readonly arrivals?: "constant" | "poisson";
  readonly workers?: string;
  readonly lagMax?: string;
  readonly slo?: readonly string[];
  readonly busyMachine?: boolean;
}

/** What is sent, when, and what must hold. */
export interface LoadPlan {
  readonly workload: WorkloadDefinition;
  readonly arrivals: PersonaWorkload["arrivals"];
  readonly rate: PersonaWorkload["rate"];
  readonly warmupMs: number;
  readonly windowMs: number;
  readonly timeoutMs: number;
  /** How late requests may leave (p99), where 5 % of the median response is less. */
  readonly lagMsMax: number;
  readonly workers: number | undefined;
  /** Whether windows are used although other programs use the machine. */
  readonly busyMachine: boolean;
  /** As typed: absolute. */
  readonly slos: readonly Slo[];
  /** Of the persona: its limits and goals. */
  readonly personaSlos: readonly Slo[];
}

export const BUSY_MACHINE =
  "use windows during which other programs, or the hypervisor's other guests, took the machine";

/** Samples with more failed requests than this are invalid (research/load-gate.md section 3). */
const ERROR_RATE_MAX = 0.01;
const LAG_SHARE_OF_GOAL = 0.05;
/** A service that is used and does not drown: near saturation latency is queueing. */
const SHARE_OF_SATURATION = 0.4;

/** Which service: one that a target file starts, or one that runs already. */
export function addSubjectOptions(command: Command): Command {
  return command
    .option("--target <file>", "the service (default: the bundled model registry)")
    .option(
      "--url <url>",
      "a service that runs already; without --target its path is requested by GET",
    )
    .addOption(new Option("--method <method>", "of --url without --target").default("GET"))
    .option("--header <header...>", "of --url without --target, such as 'authorization: Bearer x'")
    .option("--body <json>", "of --url without --target")
    .option("--scale <scale>", "size of the seeded data, where the target file seeds it");
}

export function addLoadOptions(
  command: Command,
  usual: { readonly window: string; readonly warmup: string },
): Command {
  return command
    .option("--persona <name>", "take workload, rate and SLOs from a persona")
    .option("--workload <name>", "of the target file (default: the persona's, else the first)")
    .option("--seed <number>", "of requests, orders and data", "42")
    .option("--rate <rate>", "requests a second such as 200, or a share of saturation such as 40%")
    .option(
      "--window <time>",
      `length of one measured window (default: the persona's, else ${usual.window})`,
    )
    .option(
      "--warmup <time>",
      `uncounted load before each window (default: the persona's, else ${usual.warmup})`,
    )
    .option(
      "--timeout <time>",
      "a request that takes longer is an error, and as slow as this (default: 10s)",
    )
    .addOption(
      new Option(
        "--arrivals <kind>",
        "moments of arrival (default: the persona's, else poisson)",
      ).choices(["constant", "poisson"]),
    )
    .option("--workers <number>", "threads that send (default: one for every 8,000 requests/s)")
    .option("--lag-max <time>", "how late requests may leave, 99th percentile, in a valid window")
    .option("--busy-machine", BUSY_MACHINE)
    .option("--slo <limit...>", "what must hold, such as p95<200ms or errors<1% or p99[search]<1s");
}

/** Throws bad-input for everything that cannot be sent as it is asked for. `usual`: the command's own lengths. */
export async function loadPlanOf(
  context: Context,
  options: LoadOptions,
  target: TargetFile,
  usual: Pick<LoadPlan, "windowMs" | "warmupMs">,
): Promise<LoadPlan> {
  const persona =
    options.persona === undefined ? undefined : await personaOf(context, options.persona);
  const own = persona?.workload;
  const slos = (options.slo ?? []).map(sloOf);
  const personaSlos = persona ? slosOfPersona(persona) : [];
  return {
    workload: workloadOf(target, options.workload ?? own?.name),
    arrivals: options.arrivals ?? own?.arrivals ?? "poisson",
    rate: rateOf(options.rate) ??
      own?.rate ?? { kind: "share-of-saturation", share: SHARE_OF_SATURATION },
    windowMs: durationOf("--window", options.window) ?? own?.windowMs ?? usual.windowMs,
    warmupMs: durationOf("--warmup", options.warmup, 0) ?? own?.warmupMs ?? usual.warmupMs,
    timeoutMs: durationOf("--timeout", options.timeout) ?? own?.timeoutMs ?? 10_000,
    lagMsMax: durationOf("--lag-max", options.lagMax) ?? lagAllowed([...slos, ...personaSlos]),
    workers:
      options.workers === undefined ? undefined : countOf("--workers", options.workers, 1, 64),
    busyMachine: options.busyMachine ?? false,
    slos,
    personaSlos,
  };
}

/** A twentieth of the strictest latency limit, and at least what the load engine allows anyway (docs/decisions/0006). */
export function lagAllowed(limits: readonly Pick<Slo, "metric" | "limit">[]): number {
  const latencies = limits
    .filter(({ metric }) => metricOf(metric).unit === "ms" && metricOf(metric).group === "api")
    .map(({ limit }) => limit);
  return latencies.length === 0
    ? LAG_MS_MAX
    : Math.max(LAG_MS_MAX, LAG_SHARE_OF_GOAL * Math.min(...latencies));
}

/** The part of every load request that a command's windows share. */
export function requestOf(
  plan: Pick<LoadPlan, "workload" | "timeoutMs" | "lagMsMax" | "workers" | "busyMachine">,
  target: TargetFile,
): CommonRequest {
  const { headers, tls } = target.service;
  return {
    workload: plan.workload,
    timeoutMs: plan.timeoutMs,
    errorRateMax: ERROR_RATE_MAX,
    lagMsMax: plan.lagMsMax,
    foreignWorkKnown: !plan.busyMachine && startsEverything(target),
    stealJudged: !plan.busyMachine,
    ...(plan.workers === undefined ? {} : { workers: plan.workers }),
    ...(headers ? { headers } : {}),
    ...(tls ? { tls: { verify: tls.verify, ...caOf(tls.caPath) } } : {}),
  };
}

/** Work of a service or a store that is no child of perfopt's cannot be told from that of strangers. */
function startsEverything({ service, postgres, redis }: TargetFile): boolean {
  const inContainer = /(?:^|\/)(?:docker|podman|nerdctl|kubectl|ssh|systemd-run|sudo)$/.test(
    service.start.program,
  );
  return !inContainer && postgres.kind === "embedded" && redis?.kind !== "url";
}

function caOf(path: string | undefined): { readonly ca?: string } {
  if (path === undefined) return {};
  try {
    return { ca: readFileSync(path, "utf8") };
  } catch (cause) {
    throw new PerfoptError(
      "bad-input",
      `the authorities of service.tls.ca cannot be read: ${path}`,
      "give a PEM file that exists",
      { cause },
    );
  }
}

function workloadOf(target: TargetFile, name: string | undefined): WorkloadDefinition {
  const found =
    name === undefined ? target.workloads[0] : target.workloads.find((each) => each.name === name);
  if (found) return found;
  throw new PerfoptError(
    "bad-input",
    `${target.path} defines no workload ${name ?? ""}`,
    `use --workload with one of ${target.workloads.map((each) => each.name).join(", ")}`,
  );
}

/** Limits that must hold and goals that are aimed at, as the persona states them. */
function slosOfPersona(persona: Persona): readonly Slo[] {
  const limits = persona.constraints.flatMap((each) =>
    each.kind === "limit" ? [sloFrom(each.metric, each.limit)] : [],
  );
  return [...persona.objectives.map(({ metric, goal }) => sloFrom(metric, goal)), ...limits];
}

function sloFrom(metric: MetricId, limit: number): Slo {
  const { title, better } = metricOf(metric);
  return {
    metric,
    limit,
    text: `${title} ${better === "lower" ? "<" : ">"} ${formatMetric(metric, limit)}`,
  };
}

function sloOf(text: string): Slo {
  const slo = parseSlo(text);
  if (typeof slo !== "string") return slo;
  throw new PerfoptError(
    "bad-input",
    `--slo ${text}: ${slo}`,
    "quote it, since < and > are the shell's: --slo 'p95<200ms'",
  );
}

function rateOf(text: string | undefined): PersonaWorkload["rate"] | undefined {
  if (text === undefined) return undefined;
  const share = /^(\d+(?:\.\d+)?)\s*%$/.exec(text.trim());
  if (share && Number(share[1]) > 0 && Number(share[1]) <= 100) {
    return { kind: "share-of-saturation", share: Number(share[1]) / 100 };
  }
  const plain = /^(\d+(?:\.\d+)?)(?:\/s)?$/.exec(text.trim());
  if (plain && Number(plain[1]) > 0) return { kind: "fixed", requestsPerSecond: Number(plain[1]) };
  throw new PerfoptError(
    "bad-input",
    `--rate ${text}: expected requests a second or a share of saturation`,
    "for example --rate 200 or --rate 40%",
  );
}

export function durationOf(
  option: string,
  text: string | undefined,
  leastMs = 1,
): number | undefined {
  if (text === undefined) return undefined;
  const ms = parseDuration(text);
  if (ms !== undefined && ms >= leastMs) return ms;
  throw new PerfoptError(
    "bad-input",
    `${option} ${text}: expected a time`,
    `for example ${option} 5s`,
  );
}

export function countOf(option: string, text: string, least: number, most: number): number {
  const count = Number(text);
  if (Number.isInteger(count) && count >= least && count <= most) return count;
  throw new PerfoptError(
    "bad-input",
    `${option} ${text}: expected a whole number from ${least} to ${most}`,
    `for example ${option} ${least}`,
  );
}

/** One phrase on where a rate comes from. */
export function rateInWords(rate: PersonaWorkload["rate"]): string {
  return rate.kind === "fixed"
    ? "as asked for"
    : `${formatRatio(rate.share)} of the saturation rate that a closed loop found`;
}
