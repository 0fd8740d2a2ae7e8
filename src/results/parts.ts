/** The parts that result files share, as zod schemas. Keys and metrics that this version does not know are left out: files of later ones can be read. */
import { z } from "zod";
import { isMetricId, metricIds, type MetricId } from "../core/metric.ts";

export const count = () => z.int().min(0);
export const texts = () => z.array(z.string());
export const verdict = () => z.enum(["pass", "fail", "inconclusive", "invalid"]);
export const metricId = () => z.enum(metricIds).describe("Of docs/metrics.md.");

/** JSON has no other way to say that a number could not be had, or has no end. */
export const numberOrNull = () =>
  z
    .number()
    .nullable()
    .transform((value) => value ?? Number.NaN)
    .describe("null: not a finite number.");

export const histogram = () =>
  z.string().describe("HdrHistogram V2 compressed, base64, microseconds.");

/** Values by metric. */
export function byMetric<T extends z.ZodType>(value: T) {
  return z
    .record(z.string(), value)
    .transform((given) => {
      const known: Partial<Record<MetricId, z.output<T>>> = {};
      for (const [id, each] of Object.entries(given)) if (isMetricId(id)) known[id] = each;
      return known;
    })
    .describe("By metric id, see docs/metrics.md; in the metric's unit.");
}

export const metricValues = () => byMetric(z.number());

/** What every result says of the run: what was measured, where and when. */
export const run = () => ({
  startedAt: z.iso.datetime().describe("UTC."),
  target: z.string(),
  workload: z.string(),
  scale: z.string().exactOptional().describe("Of the seeded data."),
  environment: environment(),
  seed: z.number(),
});

function environment() {
  return z
    .object({
      perfopt: z.string(),
      node: z.string(),
      platform: z.string(),
      cpu: z.string(),
      cores: z.number(),
      memoryBytes: z.number(),
      postgres: z.string(),
      redis: z.string(),
      gitCommit: z.string().exactOptional().describe("Of the folder that perfopt ran in."),
    })
    .transform(({ gitCommit, ...rest }) => ({ ...rest, gitCommit }));
}

export function side() {
  return z.object({
    label: z.string().describe("As the user named it."),
    commit: z.string().exactOptional().describe("Short; absent for what is not in git."),
  });
}

export function slo() {
  const limits = z.object({
    metric: metricId(),
    endpoint: z.string().exactOptional(),
    limit: z.number(),
    text: z.string().describe("As it was given."),
  });
  return z.object({
    slo: limits,
    verdict: verdict(),
    value: z.number().exactOptional(),
    low: z.number().exactOptional(),
    high: z.number().exactOptional(),
    windows: count(),
    detail: z.string(),
  });
}

export function effect() {
  return z.object({
    metric: metricId(),
    compare: z.enum(["ratio", "difference"]),
    estimate: numberOrNull(),
    low: numberOrNull(),
    high: numberOrNull(),
    confidence: z.number().describe("Nominal coverage of low to high."),
    pairs: count(),
    permutationP: numberOrNull(),
    incumbentMedian: numberOrNull(),
    candidateMedian: numberOrNull(),
  });
}
