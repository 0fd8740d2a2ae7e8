/** The overall report of a sequence as Markdown: what came of all personas together, with links to each one's own report. */
import { redactSecrets } from "../../core/errors.ts";
import { formatRatio } from "../../core/units.ts";
import { isNothing } from "../changes.ts";
import { cite, countOf, formatSetDuration, NOT_MEASURED } from "../format.ts";
import { blocks, code, codeBlock, list, plain, sentence, table } from "../markdown-text.ts";
import { elsewhereText } from "../sections/elsewhere.ts";
import { conflictsSection } from "./conflicts.ts";
import { checkTable, ownTable } from "./goals.ts";
import { keptTable } from "./kept.ts";
import { limitsOfSequence } from "./limits.ts";
import { changedEarlier, changedLater } from "./net.ts";
import {
  finalObjectives,
  summariseSequence,
  type Part,
  type SequenceJournals,
  type SequenceSummary,
} from "./summary.ts";
import { verdictText } from "./verdict.ts";

export interface SequenceOptions {
  /** The sequence's journal, beside the report. */
  readonly journalFile: string;
  /** Where a file of a run lies, from the overall report. */
  readonly runFile: (run: string, file: "report.md" | "run.jsonl") => string;
  readonly rollbackCommand: string;
}

/** Throws bad-input when the entries are not of a sequence. */
export function renderSequence(journals: SequenceJournals, options: SequenceOptions): string {
  const sequence = summariseSequence(journals);
  const sections: readonly (readonly [string, string | undefined])[] = [
    ["Verdict", verdictText(sequence)],
    ["The personas", personasText(sequence, options)],
    ["Goals, as each run measured them", ownTable(sequence)],
    ["Everything together: the final check", checkTable(sequence)],
    ["Where personas pull apart", conflictsSection(sequence)],
    ["What was kept in all, and how to undo it", keptText(sequence, options)],
    ["Tried and not kept", triedText(sequence, options)],
    ["Limits", list(limitsOfSequence(sequence))],
  ];
  return redactSecrets(
    blocks([
      heading(sequence, options),
      alertText(sequence),
      ...sections.map(([title, text], index) => `## ${index + 1}. ${title}\n\n${text ?? ""}`),
    ]),
  ).concat("\n");
}

function heading({ start, parts }: SequenceSummary, { journalFile }: SequenceOptions): string {
  const target = parts.find(({ summary }) => summary)?.summary?.start.event.target.title;
  return blocks([
    `# ${parts.map(({ title }) => plain(title)).join(", ")} on ${plain(target ?? start.event.target)}: perfopt overall report`,
    `Sequence of ${start.at}: ${code(start.event.command.join(" "))}. Each persona's run began with what the earlier ones had kept. Numbers can be followed to journals: those of a run to its own (linked below), those of the final check to [${journalFile}](${journalFile}).`,
  ]);
}

function alertText({ outcome, parts }: SequenceSummary): string | undefined {
  const rolledBack = parts.filter(({ summary }) => (summary?.rollbacks.length ?? 0) > 0);
  return blocks([
    outcome.kind === "completed"
      ? undefined
      : `> [!WARNING]\n> **Partial report: the sequence ${outcome.kind === "unfinished" ? "has no end" : outcome.kind === "failed" ? "failed" : "was interrupted"}.** ${sentence(plain(outcome.detail))}`,
    rolledBack.length > 0
      ? `> [!NOTE]\n> **Rolled back later:** ${rolledBack.map(({ title }) => plain(title)).join(", ")}. The numbers below are of the sequence, not of the service's present state.`
      : undefined,
  ]);
}

function personasText({ parts }: SequenceSummary, options: SequenceOptions): string {
  return blocks([
    table(
      [
        "",
        "persona",
        "outcome",
        "goals met",
        "satisfaction",
        "goals met with everything",
        "satisfaction with everything",
        "kept",
        "took",
        "report",
      ],
      parts.map((part, index) => personaRow(parts, index, part, options)),
    ),
    "Satisfaction is a persona's own: the sum of weight x credit over the sum of weights. The credit of a goal is 1 when it is met; clamp((before - after) / (before - goal), 0, 1) when it is missed and an improvement is proven by its interval; 0 otherwise, or when it was not measured. Each report has the inputs; the satisfactions of different personas do not compare. With everything means: of the final check, which does not measure capacity goals again.",
  ]);
}

function personaRow(
  parts: readonly Part[],
  index: number,
  part: Part,
  options: SequenceOptions,
): readonly string[] {
  const { summary, turn, check, tookMs } = part;
  const run = turn?.event.run;
  // Nothing of other runs is in the way of what it measured itself.
  const alone =
    metText(summary?.objectives) !== NOT_MEASURED &&
    [...changedEarlier(parts, part), ...changedLater(parts, part)].length === 0;
  const unchecked = alone ? "as in its own run" : NOT_MEASURED;
  return [
    String(index + 1),
    plain(part.title),
    turn === undefined
      ? "its turn never came"
      : turn.event.outcome === "completed"
        ? "completed"
        : `**${turn.event.outcome}**: ${plain(turn.event.detail)}`,
    metText(summary?.objectives),
    summary?.satisfaction ? formatRatio(summary.satisfaction.score) : NOT_MEASURED,
    check ? metText(check.objectives) : unchecked,
    check?.satisfaction ? formatRatio(check.satisfaction.score) : unchecked,
    summary ? keptCount(part) : "nothing",
    tookMs === undefined
      ? NOT_MEASURED
      : formatSetDuration(Math.max(1_000, Math.round(tookMs / 1_000) * 1_000)),
    run === undefined || !summary
      ? "none"
      : `[report](${options.runFile(run, "report.md")}), [journal](${options.runFile(run, "run.jsonl")})`,
  ];
}

function metText(objectives: ReturnType<typeof finalObjectives> | undefined): string {
  if (!objectives || objectives.every(({ status }) => status === "not measured"))
    return NOT_MEASURED;
  return `${objectives.filter(({ status }) => status === "met").length} of ${objectives.length}`;
}

function keptCount({ summary }: Part): string {
  const { knobs = [], indexes = [], statistics = [] } = summary?.net ?? {};
  const count = knobs.length + indexes.length + statistics.length;
  return count === 0 ? "nothing" : countOf(count, "change");
}

function keptText(
  { net, knobs, parts }: SequenceSummary,
  { rollbackCommand }: SequenceOptions,
): string {
  const nothing = isNothing(net.changes);
  const sessions = parts.find(({ summary }) => summary)?.summary?.start.event.target.sessions;
  const open = parts.flatMap(({ summary }) =>
    (summary?.changes ?? []).filter(({ state }) => state === "applying" || state === "reverting"),
  );
  const applied = parts.some(({ summary }) =>
    summary?.changes.some(({ state }) => state !== "reverted"),
  );
  return blocks([
    open.length > 0
      ? `> [!CAUTION]\n> **${countOf(open.length, "change")} with an unknown state**: see \`perfopt status\`.`
      : undefined,
    nothing
      ? "In all, nothing is changed: the target is as it was before the sequence."
      : keptTable(net, knobs),
    applied
      ? `The command that undoes all of it, the last run first:\n\n${codeBlock("sh", [rollbackCommand])}\n\n\`npx perfopt rollback RUN\` undoes one run alone, the last ones first where they set the same knobs.`
      : undefined,
    ...(nothing ? [] : elsewhereText(net.changes, knobs, sessions)),
  ]);
}

function triedText({ parts }: SequenceSummary, { runFile }: SequenceOptions): string {
  return blocks([
    table(
      [
        "persona",
        "candidates",
        "kept",
        "discarded",
        "inconclusive",
        "not decided",
        "why, one by one",
      ],
      parts.map(({ title, summary, turn }) => {
        const trials = summary?.trials ?? [];
        const count = (verdict: string) =>
          String(trials.filter((trial) => trial.verdict === verdict).length);
        const run = turn?.event.run;
        return [
          plain(title),
          String(trials.length),
          count("keep"),
          count("discard"),
          count("inconclusive"),
          count("undecided"),
          run === undefined || !summary
            ? "none"
            : `[report](${runFile(run, "report.md")}), section "Tried and not kept"`,
        ];
      }),
    ),
    ...parts.flatMap(({ title, summary }) =>
      (summary?.warnings ?? []).length > 0
        ? [
            `Warnings of ${plain(title)}'s run: ${summary?.warnings.map(({ seq, event }) => `${sentence(plain(event.message))} (${cite([seq])})`).join(" ")}`,
          ]
        : [],
    ),
  ]);
}
