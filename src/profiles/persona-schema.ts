/** The schema of persona files: what may be written, what it means, and what it becomes. */
import { z } from "zod";
import {
  capacityMetrics,
  isCapacityMetricId,
  isMetricId,
  metricIds,
  metricOf,
  metrics,
  plannedMetrics,
  type Unit,
} from "../core/metric.ts";
import type {
  CapacityObjective,
  Constraint,
  Objective,
  Persona,
  PlannedObjective,
  Strategy,
} from "../core/persona.ts";
import { capacity, missingBlock, strategyOverload } from "./capacity-schema.ts";
import * as field from "./fields.ts";
import { settings } from "./settings.ts";
import { suggestion } from "./suggest.ts";

const capacityIds = capacityMetrics.map((metric) => metric.id);
const plannedIds = plannedMetrics.map((metric) => metric.id);

type AnyObjective = Objective | CapacityObjective | PlannedObjective;

/** `knownTuners`: what a strategy may name as its tuner; any name when absent. */
export function personaSchema(knownTuners?: readonly string[]) {
  return z
    .strictObject({
      name: field.name().describe("The persona's name, as in `perfopt run --persona NAME`."),
      title: field.text().describe("The name for people."),
      description: field.text().describe("Who this persona is and what they do with the service."),
      priority: field.text().describe("What matters most to this persona, in a few words."),
      workload: workload().describe("Which requests are sent during a measurement, and how fast."),
      objectives: z
        .array(objective())
        .min(1)
        .describe("What the persona wants, the most important first: reports lead with it."),
      capacity: capacity()
        .exactOptional()
        .describe("What a run measures before and after of how much the service carries."),
      strategies: z
        .array(strategy(knownTuners))
        .min(1)
        .transform(field.checked(uniqueBy("name")))
        .describe("What is tried, in this order. Each is one phase of a run."),
      constraints: z
        .array(constraint())
        .default([])
        .describe("What must not get worse while the objectives are pursued."),
      minEffect: z
        .strictObject({
          ratio: field
            .share()
            .describe(
              "For times, rates and sizes: 3% means that less than 3 % is not worth a change.",
            ),
          difference: field
            .share()
            .describe("For shares such as hit rates: 1% means one percentage point."),
        })
        .describe("The least effect that is worth a change."),
      budget: z
        .strictObject({
          total: field.duration().describe("How long a run may take, for example 9m."),
          // The sequential test takes its first look at 5 pairs and its last at 30.
          pairsMax: z.int().min(5).max(30).describe("The most pairs of windows one trial may use."),
          candidatesMax: z.int().min(1).max(50).describe("The most candidates one phase may try."),
        })
        .describe("How much time and how many trials a run may use."),
    })
    .transform(field.checked(uniqueObjectives))
    .transform(field.checked(measuredCapacity))
    .transform(field.checked(shownByUsualWindows))
    .transform(toPersona);
}

type PersonaInput = {
  readonly objectives: readonly AnyObjective[];
  readonly budget: {
    readonly total: number;
    readonly pairsMax: number;
    readonly candidatesMax: number;
  };
} & Omit<Persona, "objectives" | "capacityObjectives" | "plannedObjectives" | "budget">;

function toPersona(input: PersonaInput): Persona {
  const capacity = input.objectives.filter((each): each is CapacityObjective =>
    isCapacityMetricId(each.metric),
  );
  const planned = input.objectives.filter(
    (each): each is PlannedObjective => !isMeasured(each) && !isCapacityMetricId(each.metric),
  );
  const { total, ...counts } = input.budget;
  return {
    ...input,
    objectives: input.objectives.filter(isMeasured),
    ...(capacity.length > 0 && { capacityObjectives: capacity }),
    ...(planned.length > 0 && { plannedObjectives: planned }),
    budget: { totalMs: total, ...counts },
  };
}

function isMeasured(objective: AnyObjective): objective is Objective {
  return isMetricId(objective.metric);
}

function workload() {
  return z
    .strictObject({
      name: field.name().describe("The name of a workload in the target file."),
      arrivals: z
        .enum(["constant", "poisson"])
        .describe(
          "When requests are due, whatever the responses: at equal distances, or at random (poisson).",
        ),
      rate: rate().describe("How many requests a second are sent."),
      warmup: field.duration().describe("Load before each window that is not measured."),
      window: field.positiveDuration().describe("How long one measurement lasts."),
      timeout: field.positiveDuration().describe("A request that takes longer counts as an error."),
    })
    .transform(({ warmup, window, timeout, ...rest }) => ({
      ...rest,
      warmupMs: warmup,
      windowMs: window,
      timeoutMs: timeout,
    }));
}

function rate() {
  return z
    .strictObject({
      share: positive(field.share())
        .exactOptional()
        .describe("Of the saturation rate, which is measured on the baseline: 40% or 0.4."),
      requestsPerSecond: z.number().positive().exactOptional().describe("A fixed rate."),
    })
    .transform(({ share, requestsPerSecond }, context) => {
      if (share !== undefined && requestsPerSecond === undefined) {
        return { kind: "share-of-saturation", share } as const;
      }
      if (requestsPerSecond !== undefined && share === undefined) {
        return { kind: "fixed", requestsPerSecond } as const;
      }
      const found = share === undefined ? "neither" : "both";
      context.addIssue(`expected one of share and requestsPerSecond, found ${found}`);
      return z.NEVER;
    });
}

function objective() {
  return z
    .strictObject({
      metric: z
        .enum([...metricIds, ...capacityIds, ...plannedIds])
        .describe("A metric's id. Those that this version does not measure yet are shown as such."),
      goal: field
        .amount()
        .describe("The goal that counts as met, in the metric's unit: 200ms, 98%, 1500/s."),
      stretch: field.amount().exactOptional().describe("A harder goal, shown beside the other."),
      weight: z
        .number()
        .positive()
        .describe("The objective's share of the persona's satisfaction, relative to the others."),
    })
    .transform(({ metric, weight, ...goals }, context): AnyObjective => {
      const known = [...metrics, ...capacityMetrics, ...plannedMetrics];
      const { unit, better } = known.find(({ id }) => id === metric) ?? {
        unit: "count" as const,
        better: "higher" as const,
      };
      const goal = inUnit(unit, goals.goal, "goal", context);
      const stretch =
        goals.stretch === undefined ? undefined : inUnit(unit, goals.stretch, "stretch", context);
      if (stretch !== undefined && (better === "lower" ? stretch > goal : stretch < goal)) {
        const message = `expected a stretch goal as hard as the goal or harder (${better} is better)`;
        context.addIssue({ code: "custom", path: ["stretch"], message });
      }
      const rest = { goal, ...(stretch !== undefined && { stretch }), weight };
      if (isMetricId(metric)) return { metric, ...rest };
      return isCapacityMetricId(metric) ? { metric, ...rest } : { metric, ...rest };
    });
}

function strategy(knownTuners: readonly string[] | undefined) {
  return z
    .strictObject({
      name: field.name().describe("The strategy's name, as in `--phases NAME`."),
      title: field.text().describe("The name for people."),
      tuner: tuner(knownTuners)
        .exactOptional()
        .describe(
          "The tuner that runs it. Without one, this version does not run the strategy and says so.",
        ),
      objective: measuredMetric().describe("The metric that this phase's trials are decided by."),
      tasks: z
        .array(field.name())
        .superRefine(noTwins)
        .exactOptional()
        .describe(
          "Which of the workload's tasks this phase's windows do, by name; all when absent, none with [].",
        ),
      overload: strategyOverload()
        .exactOptional()
        .describe(
          "This phase's windows are more than the service can do, of requests alone; the constraints are judged at the workload's own rate, after a gain is proven.",
        ),
      settings: settings().describe(
        "Starting hypotheses, by knob role (l1-ttl, pool-max, ...) or by the tuner's own name of a setting: 5s, 1GB, 30.",
      ),
      presets: z
        .array(preset())
        .default([])
        .describe(
          "What the founding report claimed for the strategy: hypotheses, never results. The first leads.",
        ),
    })
    .transform(({ presets: [preset, ...morePresets], ...rest }): Strategy => ({
      ...rest,
      ...(preset !== undefined && { preset }),
      ...(morePresets.length > 0 && { morePresets }),
    }))
    .transform(field.checked(overloadAlone));
}

/** Of overload, the windows have requests alone, and only they show some metrics. */
function overloadAlone(
  { objective, overload, tasks = [] }: Strategy,
  context: z.RefinementCtx,
): void {
  if (overload === undefined && isOfOverload(objective)) {
    const message = `expected a block overload beside it, whose windows alone show ${objective}, found none`;
    context.addIssue({ code: "custom", path: ["objective"], message });
  }
  if (overload !== undefined && tasks.length > 0) {
    const message = "expected none beside overload, whose windows are of requests alone";
    context.addIssue({ code: "custom", path: ["tasks"], message });
  }
}

/** Counted only where answers have a time limit. */
function isOfOverload(metric: string): boolean {
  return metric === "api.goodRatio";
}

function noTwins(names: readonly string[], context: z.RefinementCtx): void {
  names.forEach((name, index) => {
    if (names.indexOf(name) === index) return;
    context.addIssue({
      code: "custom",
      path: [index],
      message: `expected each task once, found "${name}" again`,
    });
  });
}

function tuner(knownTuners: readonly string[] | undefined) {
  return field.name().superRefine((name, context) => {
    if (knownTuners === undefined || knownTuners.includes(name)) return;
    const near = suggestion(name, knownTuners);
    context.addIssue(
      `expected one of the tuners ${knownTuners.join(", ")}, found "${name}"${near}`,
    );
  });
}

function preset() {
  return z.strictObject({
    metric: field.text().describe("What changed, with its unit, in words."),
    from: z.number().describe("Before, as claimed."),
    to: z.number().describe("After, as claimed."),
  });
}

function constraint() {
  return z
    .strictObject({
      metric: measuredMetric().describe("A metric's id."),
      limit: field
        .amount()
        .exactOptional()
        .describe("The metric stays at this value or on its good side: 1%, 512MB, 500ms."),
      noWorseThan: field
        .amount()
        .exactOptional()
        .describe(
          "How much worse than before the metric may get: 10% of a time, rate or size; 1% is one point of a share.",
        ),
    })
    .transform(({ metric, limit, noWorseThan }, context): Constraint => {
      const { unit, compare } = metricOf(metric);
      if (limit !== undefined && noWorseThan === undefined) {
        return { kind: "limit", metric, limit: inUnit(unit, limit, "limit", context) };
      }
      if (noWorseThan !== undefined && limit === undefined) {
        const toleranceUnit = compare === "ratio" ? "ratio" : unit;
        const tolerance = inUnit(toleranceUnit, noWorseThan, "noWorseThan", context);
        return { kind: "no-regression", metric, tolerance };
      }
      const found = limit === undefined ? "neither" : "both";
      context.addIssue(`expected one of limit and noWorseThan, found ${found}`);
      return z.NEVER;
    });
}

function measuredMetric() {
  return z.enum(metricIds, {
    error: ({ input }) => {
      if (capacityIds.some((id) => id === input)) {
        return "expected a metric that every window reports";
      }
      return plannedIds.some((id) => id === input)
        ? "expected a metric that this version measures"
        : undefined;
    },
  });
}

function inUnit(
  unit: Unit,
  written: string | number,
  key: string,
  context: z.RefinementCtx,
): number {
  const value = field.parseQuantity(unit, written);
  if (value !== undefined) return value;
  context.addIssue({ code: "custom", path: [key], message: field.expectedQuantity(unit) });
  return z.NEVER;
}

function positive<T extends z.ZodType<number>>(schema: T) {
  return schema.refine((value) => value > 0, { error: "expected more than zero" });
}

function uniqueBy<K extends string>(key: K) {
  return (items: readonly { readonly [P in K]: string }[], context: z.RefinementCtx): void => {
    items.forEach((item, index) => {
      if (items.findIndex((each) => each[key] === item[key]) === index) return;
      const message = `expected a ${key} of its own, found "${item[key]}" again`;
      context.addIssue({ code: "custom", path: [index, key], message });
    });
  };
}

function uniqueObjectives(
  input: { readonly objectives: readonly { readonly metric: string }[] },
  context: z.RefinementCtx,
): void {
  input.objectives.forEach(({ metric }, index, all) => {
    if (all.findIndex((each) => each.metric === metric) === index) return;
    const message = `expected one objective a metric, found "${metric}" again`;
    context.addIssue({ code: "custom", path: ["objectives", index, "metric"], message });
  });
}

/** Goals and constraints are measured at the workload's own rate. */
function shownByUsualWindows(
  {
    objectives,
    constraints,
  }: Record<"objectives" | "constraints", readonly { readonly metric: string }[]>,
  context: z.RefinementCtx,
): void {
  for (const [key, list] of Object.entries({ objectives, constraints })) {
    list.forEach(({ metric }, index) => {
      if (!isOfOverload(metric)) return;
      const message = `expected a metric that windows at the workload's own rate show; of overload, api.goodputUnderOverload is a goal`;
      context.addIssue({ code: "custom", path: [key, index, "metric"], message });
    });
  }
}

/** A goal that nothing measures would never be met, and the reader would not know why. */
function measuredCapacity(
  input: Pick<Persona, "capacity"> & { readonly objectives: readonly AnyObjective[] },
  context: z.RefinementCtx,
): void {
  input.objectives.forEach(({ metric }, index) => {
    const missing = isCapacityMetricId(metric) ? missingBlock(metric, input.capacity) : undefined;
    if (missing === undefined) return;
    const message = `expected a block ${missing}, which measures ${metric}, found none`;
    context.addIssue({ code: "custom", path: ["objectives", index, "metric"], message });
  });
}
