/** The report as GitHub-flavoured Markdown: the sections in order, numbered as they come. */
import { redactSecrets } from "../core/errors.ts";
import type { Chart } from "./charts/frame.ts";
import { cite } from "./format.ts";
import { blocks, code, plain } from "./markdown-text.ts";
import { capacitySection } from "./sections/capacity.ts";
import { discardedSection } from "./sections/discarded.ts";
import { environmentSection } from "./sections/environment.ts";
import { invocationSection } from "./sections/invocation.ts";
import { keptSection } from "./sections/kept.ts";
import { overallSection } from "./sections/overall.ts";
import { phasesSection } from "./sections/phases.ts";
import { predictionsSection } from "./sections/predictions.ts";
import { satisfactionSection } from "./sections/satisfaction.ts";
import { strategySection } from "./sections/strategy.ts";
import { alerts, verdictSection } from "./sections/verdict.ts";
import type { Summary } from "./summary.ts";

export interface MarkdownOptions {
  /** The journal's name beside the report, for links. */
  readonly journalFile: string;
  /** What a user types to undo the run. */
  readonly rollbackCommand: string;
  readonly charts: readonly Chart[];
}

interface Section {
  readonly title: string;
  readonly write: (number: number) => string;
}

export function renderMarkdown(summary: Summary, options: MarkdownOptions): string {
  const sections = sectionsOf(summary, options);
  return redactSecrets(
    blocks([
      heading(summary, options),
      alerts(summary),
      ...sections.map(
        ({ title, write }, index) => `## ${index + 1}. ${title}\n\n${write(index + 1)}`,
      ),
    ]),
  ).concat("\n");
}

function sectionsOf(summary: Summary, options: MarkdownOptions): readonly Section[] {
  const { journalFile, rollbackCommand, charts } = options;
  const predictions = predictionsSection(summary);
  const capacity = capacitySection(summary, charts);
  return [
    { title: "Verdict", write: () => verdictSection(summary) },
    { title: "How it was invoked, and what that means", write: () => invocationSection(summary) },
    { title: "Strategy of the persona", write: () => strategySection(summary) },
    { title: "The phases in sequence", write: (number) => phasesSection(summary, charts, number) },
    { title: "Overall results", write: () => overallSection(summary) },
    ...(capacity === undefined
      ? []
      : [{ title: "Capacity: users within the SLO, and overload", write: () => capacity }]),
    { title: "Satisfaction of the persona", write: () => satisfactionSection(summary) },
    { title: "Tried and not kept", write: () => discardedSection(summary) },
    ...(predictions === undefined
      ? []
      : [{ title: "Predicted against measured", write: () => predictions }]),
    {
      title: "Exact changes, and how to undo them",
      write: () => keptSection(summary, rollbackCommand),
    },
    {
      title: "Environment, noise and limits",
      write: () => environmentSection(summary, journalFile),
    },
    { title: "Charts", write: () => chartsSection(charts) },
  ];
}

function heading({ start }: Summary, { journalFile }: MarkdownOptions): string {
  const { persona, target, seed } = start.event;
  return blocks([
    `# ${plain(persona.title)} on ${plain(target.title)}: perfopt report`,
    `Run of ${start.at}, seed ${seed}. Every number can be followed to lines of [${journalFile}](${journalFile}): ${code("journal 41-62")} means the lines with those ${code("seq")} numbers (${cite([start.seq])} is where the run begins).`,
  ]);
}

function chartsSection(charts: readonly Chart[]): string {
  if (charts.length === 0) return "The journal holds too little to draw.";
  return blocks(
    charts.map(({ title, alt, file }) => `### ${plain(title)}\n\n![${plain(alt)}](${file})`),
  );
}
