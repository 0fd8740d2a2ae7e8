/** `perfopt personas`: list, show and validate the files that say who is served. */
import Table from "cli-table3";
import type { Command } from "commander";
import { formatQuantity, goalMetricOf, metricOf, plannedMetrics } from "../core/metric.ts";
import type { CapacityPlan } from "../core/capacity.ts";
import type {
  Constraint,
  JudgedObjective,
  Persona,
  PlannedObjective,
  Strategy,
} from "../core/persona.ts";
import { thinkInWords } from "../core/think.ts";
import { formatDuration, formatRatio, significant } from "../core/units.ts";
import { listPersonas, loadPersona } from "../profiles/persona.ts";
import { tuners } from "../tuners/index.ts";
import type { Context } from "./context.ts";
import { formatMetric } from "./words.ts";

export function addPersonas(program: Command, context: Context): void {
  const personas = program.command("personas").description("list, show and validate personas");
  personas
    .command("list")
    .description("the personas that come with perfopt, and what of them this version runs")
    .option("--json", "machine output on stdout")
    .action(async (options: { json?: boolean }) => {
      const loaded = await Promise.all(
        (await listPersonas(context.profilesDirectory)).map((file) =>
          personaOf(context, file.path),
        ),
      );
      context.out(options.json ? `${JSON.stringify(loaded, null, 2)}\n` : `${listTable(loaded)}\n`);
    });
  personas
    .command("show")
    .argument("<persona>", "a name, or the path of a persona file")
    .description("goals, strategies, constraints and budget of one persona")
    .option("--json", "machine output on stdout")
    .action(async (name: string, options: { json?: boolean }) => {
      const persona = await personaOf(context, name);
      context.out(
        options.json ? `${JSON.stringify(persona, null, 2)}\n` : `${showText(persona)}\n`,
      );
    });
  personas
    .command("validate")
    .argument("<file...>", "persona files")
    .description("check persona files; errors name file, line and column")
    .action(async (paths: string[]) => {
      for (const path of paths) {
        const persona = await personaOf(context, path);
        context.out(
          `${path}: ${persona.title} is valid, ${persona.strategies.length} strategies\n`,
        );
      }
    });
}

export function personaOf(context: Context, pathOrName: string): Promise<Persona> {
  return loadPersona(pathOrName, {
    profilesDir: context.profilesDirectory,
    knownTuners: tuners.map((tuner) => tuner.id),
  });
}

export function runnableStrategies(persona: Persona): readonly Strategy[] {
  return persona.strategies.filter((strategy) => strategy.tuner !== undefined);
}

function listTable(personas: readonly Persona[]): string {
  const table = new Table({
    head: ["persona", "priority", "strategies", "this version runs"],
    style: { head: [], border: [] },
  });
  for (const persona of personas) {
    const runs = runnableStrategies(persona).length;
    table.push([
      persona.name,
      persona.priority,
      persona.strategies.map((strategy) => strategy.title).join("\n"),
      runs === 0 ? "none of them yet" : `${runs} of ${persona.strategies.length}`,
    ]);
  }
  return table.toString();
}

function showText(persona: Persona): string {
  const { workload, budget } = persona;
  const rate =
    workload.rate.kind === "fixed"
      ? `${workload.rate.requestsPerSecond} requests/s`
      : `${formatRatio(workload.rate.share)} of the saturation rate`;
  return [
    `${persona.title} (${persona.name}): ${persona.priority}`,
    persona.description,
    "",
    `Workload: ${workload.name}, ${workload.arrivals} arrivals at ${rate}, windows of ${formatDuration(workload.windowMs)} after ${formatDuration(workload.warmupMs)} of warm-up`,
    `Budget: ${formatDuration(budget.totalMs)}, ${budget.pairsMax} pairs a trial, ${budget.candidatesMax} candidates a phase`,
    `Least effect worth a change: ${formatRatio(persona.minEffect.ratio)}, or ${significant(persona.minEffect.difference * 100)} points`,
    "",
    "Goals:",
    ...persona.objectives.map(objectiveLine),
    ...(persona.capacityObjectives ?? []).map(objectiveLine),
    ...(persona.plannedObjectives ?? []).map(plannedLine),
    "",
    "Strategies, in order:",
    ...persona.strategies.map((strategy, index) => strategyLine(strategy, index)),
    "",
    "Must not get worse:",
    ...persona.constraints.map(constraintLine),
    ...(persona.capacity ? ["", "Capacity, measured before and after:"] : []),
    ...capacityLines(persona.capacity ?? {}),
  ].join("\n");
}

function objectiveLine({ metric, goal, stretch, weight }: JudgedObjective): string {
  const { title, better, unit } = goalMetricOf(metric);
  const sign = better === "lower" ? "<" : ">";
  const harder = stretch === undefined ? "" : `, stretch ${sign} ${formatQuantity(unit, stretch)}`;
  return `  ${title} ${sign} ${formatQuantity(unit, goal)}${harder}, weight ${weight}`;
}

function capacityLines({ users, overload }: CapacityPlan): readonly string[] {
  return [
    ...(users
      ? [
          `  concurrent users within ${users.slos.map(({ text }) => text).join(", ")}: ${thinkInWords(users.think)}, at most ${users.windowsMax} windows of ${formatDuration(users.windowMs)}`,
        ]
      : []),
    ...(overload
      ? [
          `  behaviour at ${overload.factor} times what the baseline completes, for ${formatDuration(overload.windowMs)}`,
        ]
      : []),
  ];
}

function plannedLine(objective: PlannedObjective): string {
  const metric = plannedMetrics.find((each) => each.id === objective.metric);
  const goal = metric ? formatQuantity(metric.unit, objective.goal) : String(objective.goal);
  return `  ${metric?.title ?? objective.metric}: goal ${goal}, not measured in this version`;
}

function strategyLine(strategy: Strategy, index: number): string {
  const runs =
    strategy.tuner === undefined ? "does not run in this version" : `tuner ${strategy.tuner}`;
  const preset = strategy.preset
    ? `; hypothesis: ${strategy.preset.metric} ${strategy.preset.from} -> ${strategy.preset.to}`
    : "";
  return `  ${index + 1}. ${strategy.title}: ${runs}${preset}`;
}

function constraintLine(constraint: Constraint): string {
  const { title, compare, better } = metricOf(constraint.metric);
  if (constraint.kind === "limit") {
    return `  ${title} stays ${better === "lower" ? "at or below" : "at or above"} ${formatMetric(constraint.metric, constraint.limit)}`;
  }
  const by =
    compare === "ratio"
      ? formatRatio(constraint.tolerance)
      : formatMetric(constraint.metric, constraint.tolerance);
  return `  ${title} gets no worse than the incumbent by more than ${by}`;
}
