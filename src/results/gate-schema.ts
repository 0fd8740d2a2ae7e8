/** The schemas of a gate's and of a self-test's result. */
import { z } from "zod";
import type { GateResult, SelfTestResult } from "../core/gate.ts";
import * as part from "./parts.ts";

export function gateSchema() {
  return z.object({
    schema: z.literal("perfopt-gate/v1"),
    ...part.run(),
    tookMs: z.number(),
    base: part.side(),
    head: part.side(),
    design: z.string().describe("How the sides were compared."),
    rate: rate().exactOptional(),
    warmupMs: z.number(),
    windowMs: z.number(),
    pairsMax: part.count(),
    verdict: part.verdict(),
    reasons: part.texts().describe("The most important first."),
    warnings: part.texts(),
    counters: counters().exactOptional(),
    metrics: z.array(metricVerdict()),
    watched: z.array(part.effect()).describe("Reported, not gated."),
    slos: z.array(part.slo()),
    windows: z.array(window()),
    histograms: z.object({ base: part.histogram(), head: part.histogram() }).exactOptional(),
  }) satisfies z.ZodType<GateResult>;
}

export function selfTestSchema() {
  return z.object({
    schema: z.literal("perfopt-self-test/v1"),
    ...part.run(),
    tookMs: z.number(),
    side: part.side(),
    rate: rate(),
    warmupMs: z.number(),
    windowMs: z.number(),
    pairsMax: part.count(),
    msPerPair: z.number(),
    counters: counters().exactOptional(),
    metrics: z.array(metricNoise()),
    windows: z.array(window()),
    verdict: part.verdict(),
    reasons: part.texts(),
  }) satisfies z.ZodType<SelfTestResult>;
}

function rate() {
  return z.object({
    requestsPerSecond: z.number(),
    how: z.string(),
    saturationRequestsPerSecond: z.number().exactOptional(),
  });
}

function counters() {
  const finding = z.object({
    counter: z.enum([
      "statements",
      "rows",
      "buffers",
      "redis-commands",
      "response-bytes",
      "errors",
    ]),
    endpoint: z.string(),
    subject: z.string().exactOptional().describe("The statement or the Redis command."),
    base: z.number().describe("A request."),
    head: z.number(),
    kind: z.enum(["regression", "improvement", "noise"]),
    detail: z.string(),
  });
  return z.object({
    verdict: part.verdict(),
    findings: z.array(finding),
    endpoints: part.count(),
    requests: part.count(),
    unmeasured: part.texts(),
    detail: z.string(),
  });
}

const tier = () => z.literal([1, 2]).describe("1: CPU time, 2: latency.");

function metricVerdict() {
  return z.object({
    metric: part.metricId(),
    tier: tier(),
    verdict: part.verdict(),
    margin: z
      .number()
      .describe("What a pass excludes: a ratio distance (0.05 is 5 %) or a difference."),
    minEffect: z.number().describe("The least that fails."),
    effect: part.effect().exactOptional(),
    pairs: part.count(),
    detectable: part.numberOrNull().exactOptional(),
    confirmation: z.object({ confirmed: z.boolean(), effect: part.effect() }).exactOptional(),
    detail: z.string(),
  });
}

function metricNoise() {
  return z.object({
    metric: part.metricId(),
    tier: tier(),
    pairs: part.count(),
    noise: part.numberOrNull(),
    effect: part.effect(),
    detectable: part.numberOrNull(),
    margin: z.number(),
    pairsForMargin: z.number().nullable(),
    msForMargin: z.number().nullable(),
    ok: z.boolean(),
  });
}

function window() {
  return z.object({
    block: z.enum(["trial", "confirm"]),
    pair: part.count(),
    role: z.enum(["incumbent", "candidate"]).describe("The incumbent is the base."),
    order: z.enum(["incumbent-first", "candidate-first"]),
    valid: z.boolean(),
    invalidBecause: part.texts(),
    metrics: part.metricValues(),
  });
}
