/** The schema of a persona's capacity block: how many users it has to carry, and what happens at more than it can. */
import { z } from "zod";
import type { CapacityPlan, OverloadPlan } from "../core/capacity.ts";
import type { CapacityMetricId } from "../core/metric.ts";
import { parseSlo, type Slo } from "../core/slo.ts";
import * as field from "./fields.ts";
import { think } from "./think-schema.ts";

const WINDOWS_MAX = 24;
const FACTOR = 2;
const WITHIN =
  "A good answer counts when it is complete so long after its request was due, for example 500ms.";

export function capacity() {
  return z
    .strictObject({
      users: users()
        .exactOptional()
        .describe(
          "How many concurrent users the service carries within SLOs: measured on the baseline and on what was kept.",
        ),
      overload: overload()
        .exactOptional()
        .describe(
          "What becomes of requests and queued jobs at more than the baseline can do: measured before and after, at the same rate.",
        ),
    })
    .transform(
      field.checked((input: CapacityPlan, context) => {
        if (input.users !== undefined || input.overload !== undefined) return;
        context.addIssue("expected users, overload or both, found neither");
      }),
    );
}

function users() {
  return z
    .strictObject({
      think: think().describe(
        "The pause of a user between two requests: 1s, { uniform: [1s, 3s] } or { exponential: 1s }, which is the mean.",
      ),
      slos: z
        .array(slo())
        .min(1)
        .describe("What has to hold for all of them: p95<200ms, errors<1%, p99[get-alias]<1s."),
      window: field.positiveDuration().describe("How long one window of the search lasts."),
      windowsMax: z
        .int()
        .min(4)
        .max(60)
        .default(WINDOWS_MAX)
        .describe("The most windows that one search may take; 24 by default."),
    })
    .transform(({ window, ...rest }) => ({ ...rest, windowMs: window }));
}

function overload() {
  return z
    .strictObject({
      factor: factor()
        .default(FACTOR)
        .describe(
          "Of what the baseline completes in a closed loop: 2, the default, is twice that.",
        ),
      window: field.positiveDuration().describe("How long the overload lasts."),
      within: field.positiveDuration().exactOptional().describe(WITHIN),
    })
    .transform(toOverload);
}

/** The overload that a strategy's windows are. */
export function strategyOverload() {
  return z
    .strictObject({
      factor: factor().describe(
        "Of what the baseline completes in a closed loop: 2 is twice that.",
      ),
      window: field
        .positiveDuration()
        .describe("How long each window lasts, instead of the workload's own."),
      within: field.positiveDuration().describe(WITHIN),
    })
    .transform(toOverload);
}

function factor() {
  return z.number().gt(1).max(10);
}

function toOverload({
  window,
  within,
  ...rest
}: {
  readonly factor: number;
  readonly window: number;
  readonly within?: number;
}): OverloadPlan {
  return { ...rest, windowMs: window, ...(within !== undefined && { withinMs: within }) };
}

function slo() {
  return field.text().transform((text, context): Slo => {
    const parsed = parseSlo(text);
    const problem =
      typeof parsed === "string"
        ? parsed
        : parsed.metric === "api.requestsPerSecond"
          ? "expected a limit of latencies or errors: the load is what is being varied"
          : undefined;
    if (problem === undefined && typeof parsed !== "string") return parsed;
    context.addIssue({ code: "custom", message: problem ?? "expected METRIC<LIMIT" });
    return z.NEVER;
  });
}

const MEASURED_BY: Readonly<Record<CapacityMetricId, keyof CapacityPlan>> = {
  "api.usersSustained": "users",
  "queue.depthSustained": "overload",
  "api.goodputUnderOverload": "overload",
};

/** The block that a capacity goal needs and that is not there; undefined when nothing is missing. */
export function missingBlock(
  metric: CapacityMetricId,
  plan: CapacityPlan | undefined,
): string | undefined {
  const block = MEASURED_BY[metric];
  return plan?.[block] === undefined ? `capacity.${block}` : undefined;
}
