/** The schema of what `perfopt doctor --json` prints. */
import { z } from "zod";
import { bottlenecks, type Diagnosis, type DoctorResult } from "../core/diagnosis.ts";
import { readings, resources } from "../core/readings.ts";
import * as part from "./parts.ts";

export function doctorSchema() {
  const { startedAt, target, workload, environment, seed } = part.run();
  return z.object({
    schema: z.literal("perfopt-doctor/v1"),
    startedAt,
    tookMs: z.number(),
    target,
    workload,
    seed,
    environment,
    checks: z.array(check()).describe("The machine before anything was measured."),
    load: z.string().describe("What was asked about, one phrase."),
    diagnosis: diagnosis(),
    atSaturation: diagnosis()
      .exactOptional()
      .describe("The same under a closed loop, where the rate is a share of saturation."),
    windows: z.array(
      z.object({
        name: z.enum(["quiet", "light", "closed-loop", "usual"]),
        load: z.string(),
        readings: byReading(),
      }),
    ),
    statement: statement().exactOptional(),
    unmeasured: part.texts().describe("What could not be read, and why."),
  }) satisfies z.ZodType<DoctorResult>;
}

const bottleneck = () => z.enum(bottlenecks);
const certainty = () =>
  z
    .enum(["high", "low"])
    .describe(
      "low: part of the evidence was not measured, or the machine was busy and not judged.",
    );
const unit = () => z.enum(["ms", "ratio", "per-second", "bytes", "count"]);

/** Readings that this version does not know are left out. */
function byReading() {
  const known = new Set<string>(readings.map(({ id }) => id));
  return z
    .record(z.string(), z.number())
    .transform((given) => Object.fromEntries(Object.entries(given).filter(([id]) => known.has(id))))
    .describe("By reading id, in the reading's unit.");
}

function check() {
  return z.object({
    id: z.string(),
    title: z.string(),
    value: z.string(),
    status: z.enum(["ok", "warning", "bad"]),
    advice: z.string().exactOptional(),
  });
}

function diagnosis() {
  return z.object({
    verdict: z.enum([...bottlenecks, "host", "none", "unknown"]),
    headline: z.string(),
    because: part.texts().describe("Of host and unknown: why nothing is diagnosed."),
    remarks: part.texts().exactOptional().describe("What stands beside the verdict."),
    certainty: certainty(),
    findings: z.array(finding()).describe("The diagnosis first, symptoms last."),
    exonerated: z.array(bottleneck()),
    unmeasured: z.array(z.object({ bottleneck: bottleneck(), missing: part.texts() })),
    rows: z.array(row()),
    next: part.texts(),
  }) satisfies z.ZodType<Diagnosis>;
}

function finding() {
  return z.object({
    bottleneck: bottleneck(),
    sentence: z.string(),
    evidence: part.texts(),
    certainty: certainty(),
    missing: part.texts(),
    symptomOf: bottleneck().exactOptional(),
    next: part.texts(),
  });
}

function row() {
  return z.object({
    resource: z.enum(resources),
    title: z.string(),
    unit: unit(),
    value: z.number().exactOptional(),
    threshold: z.string().describe("When it is trouble; empty for readings that only inform."),
    status: z.enum(["pass", "fail", "exonerated", "not-measured"]),
    note: z.string().exactOptional(),
  });
}

function statement() {
  return z.object({
    sql: z.string(),
    timeShare: z.number(),
    meanMs: z.number(),
    msPerRequest: z.number(),
    table: z.string(),
    how: z.enum(["sequence", "index"]),
    rowsReadPerReturned: z.number(),
  });
}
