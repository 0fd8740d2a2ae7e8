/** Section 3: the persona's priority, objectives and ordered strategies, with presets marked as the hypotheses they are. */
import { goalMetricOf, metricOf, type CapacityMetricId } from "../../core/metric.ts";
import type { Constraint, Persona, Strategy } from "../../core/persona.ts";
import { formatRatio, significant } from "../../core/units.ts";
import { formatGoal, formatKnobValue, formatMetric, neat } from "../format.ts";
import { blocks, code, list, plain, sentence, table } from "../markdown-text.ts";
import type { Summary } from "../summary.ts";

export function strategySection(summary: Summary): string {
  const { persona } = summary.start.event;
  const idle = persona.strategies.filter((strategy) => strategy.tuner === undefined);
  return blocks([
    `**${plain(persona.title)}** (${code(persona.name)}): ${sentence(plain(persona.description))} Priority: ${sentence(plain(persona.priority))}`,
    objectivesTable(persona),
    "Strategies, in the order they are worked through:",
    table(
      [
        "",
        "strategy",
        "decided by",
        "starting settings (hypotheses)",
        "preset of the founding report (a hypothesis, not a result)",
      ],
      persona.strategies.map((strategy, index) => strategyRow(strategy, index, summary)),
    ),
    idle.length > 0
      ? `**This version cannot run ${idle.map((strategy) => plain(strategy.title)).join(", ")}.** Nothing was tried for ${idle.length === 1 ? "it" : "them"}, and no number below comes from ${idle.length === 1 ? "it" : "them"}.`
      : undefined,
    persona.constraints.length > 0
      ? `A candidate that breaks one of these is discarded, whatever it gains:\n\n${list(persona.constraints.map(constraintText))}`
      : "The persona has no constraints.",
  ]);
}

const MEASURED_BY: Readonly<Record<CapacityMetricId, string>> = {
  "api.usersSustained": "a search, once on the baseline and once on everything kept",
  "api.goodputUnderOverload":
    "a window of overload, once on the baseline and once on everything kept; the peak by a closed loop before each",
  "queue.depthSustained": "a window of overload, once on the baseline and once on everything kept",
};

function objectivesTable({ objectives, capacityObjectives = [] }: Persona): string {
  return table(
    ["objective", "goal (acceptance)", "stretch goal", "weight", "measured by"],
    [
      ...objectives.map((each) => ({ each, source: metricOf(each.metric).source })),
      ...capacityObjectives.map((each) => ({ each, source: MEASURED_BY[each.metric] })),
    ].map(({ each, source }) => [
      goalMetricOf(each.metric).title,
      formatGoal(each, each.goal),
      formatGoal(each, each.stretch),
      neat(significant(each.weight)),
      plain(source),
    ]),
  );
}

function strategyRow(strategy: Strategy, index: number, summary: Summary): readonly string[] {
  const planned = summary.phases.some((phase) => phase.plan.name === strategy.name);
  const { preset } = strategy;
  const settings = Object.entries(strategy.settings).map(([name, value]) => {
    const knob = summary.knobs.find((each) => each.role === name);
    return code(`${name}=${formatKnobValue(knob, value)}`);
  });
  return [
    String(index + 1),
    plain(strategy.title) +
      (strategy.tuner === undefined
        ? " (cannot run)"
        : planned
          ? ""
          : " (not chosen for this run)"),
    metricOf(strategy.objective).title,
    settings.length > 0 ? settings.join(", ") : "none",
    preset ? `${plain(preset.metric)}: ${preset.from} -> ${preset.to}` : "none",
  ];
}

function constraintText(constraint: Constraint): string {
  const { title, better, compare } = metricOf(constraint.metric);
  if (constraint.kind === "limit")
    return `${title} stays at ${better === "lower" ? "most" : "least"} ${neat(formatMetric(constraint.metric, constraint.limit))}`;
  const tolerance =
    compare === "ratio"
      ? neat(formatRatio(constraint.tolerance))
      : metricOf(constraint.metric).unit === "ratio"
        ? `${neat(significant(constraint.tolerance * 100))} points`
        : formatMetric(constraint.metric, constraint.tolerance);
  return `${title} gets worse by no more than ${tolerance}`;
}
