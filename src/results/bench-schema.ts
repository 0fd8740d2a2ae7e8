/** The schemas of a bench's result and of the line that a history keeps of it. */
import { z } from "zod";
import type { HistoryRecord } from "../core/history.ts";
import type { BenchResult } from "../core/result.ts";
import * as part from "./parts.ts";

export function benchSchema() {
  return z.object({
    schema: z.literal("perfopt-result/v1"),
    ...part.run(),
    tookMs: z.number(),
    side: part.side(),
    load: load(),
    metrics: part.byMetric(summary()).describe("Over the valid windows, by metric id."),
    endpoints: z.array(endpoint()).describe("Over all valid windows, from merged histograms."),
    histograms: z
      .object({ response: part.histogram(), service: part.histogram(), lag: part.histogram() })
      .exactOptional(),
    windows: z.array(window()),
    slos: z.array(part.slo()),
    limit: limit().exactOptional(),
    warnings: part.texts(),
  }) satisfies z.ZodType<BenchResult>;
}

export function historySchema() {
  return z.object({
    schema: z.literal("perfopt-history/v1"),
    ...part.run(),
    side: part.side(),
    load: load(),
    windows: z.object({ valid: part.count(), all: part.count() }),
    metrics: part.byMetric(summary()),
    endpoints: z.array(
      endpoint().pick({
        name: true,
        requests: true,
        errors: true,
        latencyP50Ms: true,
        latencyP95Ms: true,
        latencyP99Ms: true,
      }),
    ),
    limit: limit().pick({ unit: true, holds: true, breaks: true, estimate: true }).exactOptional(),
  }) satisfies z.ZodType<HistoryRecord>;
}

function load() {
  return z.object({
    kind: z.enum(["open", "users"]),
    arrivals: z.enum(["constant", "poisson"]),
    amount: z.number().describe("Requests or sessions a second, mean; for users, their number."),
    how: z.string().describe("Where the amount comes from."),
    scenario: z.string(),
    warmupMs: z.number(),
    windowMs: z.number(),
  });
}

function summary() {
  return z.object({
    value: z.number().describe("Median of the valid windows."),
    low: z.number().exactOptional().describe("Of a 95 % interval; absent with few windows."),
    high: z.number().exactOptional(),
    windows: part.count(),
  });
}

function endpoint() {
  return z.object({
    name: z.string(),
    requests: part.count(),
    errors: part.count(),
    latencyP50Ms: z.number(),
    latencyP95Ms: z.number(),
    latencyP99Ms: z.number(),
    responseBytesMean: z.number(),
    response: part.histogram(),
  });
}

function window() {
  return z.object({
    seed: z.number(),
    valid: z.boolean(),
    invalidBecause: part.texts(),
    checks: z.array(check()),
    metrics: part.metricValues(),
    requests: part.count(),
    errors: part.count(),
    statuses: z.record(z.string(), part.count()).describe("Answers by status code."),
    timeline: z.array(piece()).exactOptional(),
    tasks: z.array(task()).exactOptional(),
    server: server().exactOptional(),
  });
}

function check() {
  return z.object({
    id: z.enum([
      "rate-reached",
      "generator-lag",
      "generator-cpu",
      "no-drops",
      "errors",
      "all-answered",
      "littles-law",
      "no-backlog",
      "tasks-done",
      "host-pressure",
      "host-steal",
    ]),
    ok: z.boolean(),
    value: z.number(),
    limit: z.number(),
    detail: z.string(),
  });
}

function piece() {
  return z.object({
    atMs: z.number().describe("From the window's start."),
    lengthMs: z.number(),
    target: z.number(),
    requests: part.count(),
    errors: part.count(),
    latencyP50Ms: z.number().exactOptional(),
    latencyP95Ms: z.number().exactOptional(),
    latencyP99Ms: z.number().exactOptional(),
  });
}

function task() {
  return z.object({
    name: z.string(),
    kind: z.enum(["ingest", "query", "report"]),
    durationsMs: z.array(z.number()).describe("Of each success, in order."),
    records: z.number().describe("Of the successes together."),
    responseBytes: z.number(),
    failed: part.count(),
    failure: z.string().exactOptional().describe("Of the first failure."),
  });
}

function server() {
  const statement = z.object({
    queryId: z.string(),
    sql: z.string(),
    calls: z.number(),
    totalMs: z.number(),
    rows: z.number(),
    buffers: z.number(),
  });
  return z.object({
    statements: z.array(statement).exactOptional(),
    redisCommands: z.record(z.string(), z.number()).exactOptional(),
    requests: part.count(),
    unmeasured: part.texts(),
  });
}

function limit() {
  const probe = z.object({
    load: z.number(),
    outcome: z.enum(["holds", "breaks", "unclear", "invalid"]),
    why: z.string(),
    metrics: part.metricValues(),
  });
  return z.object({
    unit: z.enum(["requests/s", "users"]),
    holds: z.number().exactOptional().describe("The highest load shown to hold."),
    breaks: z.number().exactOptional().describe("The lowest load shown not to hold."),
    estimate: z.number(),
    probes: z.array(probe),
    detail: z.string(),
  });
}
