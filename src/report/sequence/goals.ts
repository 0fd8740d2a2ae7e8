/** Every persona's objectives, as its own run measured them, and with everything that the sequence kept. */
import { goalMetricOf } from "../../core/metric.ts";
import { readEffect } from "../effects.ts";
import {
  cite,
  formatEffectChange,
  formatInterval,
  formatReading,
  NOT_MEASURED,
} from "../format.ts";
import { blocks, plain, sentence, table } from "../markdown-text.ts";
import type { ObjectiveResult } from "../objectives.ts";
import { intervalTitle } from "../sections/effects-table.ts";
import { keptUnderOverload } from "../sections/overload.ts";
import { goalCells } from "../sections/verdict.ts";
import type { Part, SequenceSummary } from "./summary.ts";

export function ownTable({ parts }: SequenceSummary): string {
  const measured = parts.filter(({ summary }) => summary);
  if (measured.length === 0) return `No run began: every goal is ${NOT_MEASURED}.`;
  return blocks([
    goalsTable(
      measured.map((part) => ({ part, results: part.summary?.objectives ?? [] })),
      ({ part, result }) => changeCells(result, part.summary?.basis === "confirm"),
      ({ part }) => `${plain(part.name)} `,
    ),
    "Before is the state that the persona's own run began with: what earlier runs kept is in it. After is what that run kept, confirmed in pairs. Where a run kept nothing, both are the state that it found. Lines are those of that run's journal.",
    ...measured.flatMap(({ title, summary }) => {
      const text = summary && keptUnderOverload(summary);
      return text === undefined ? [] : [`${plain(title)}: ${text}`];
    }),
  ]);
}

/** With the reason where there was none. */
export function checkTable({ parts, warnings }: SequenceSummary): string {
  const checked = parts.flatMap((part) => (part.check ? [{ part, check: part.check }] : []));
  const notes = warnings.map(
    ({ seq, event }) => `${sentence(plain(event.message))} (${cite([seq])})`,
  );
  if (checked.length === 0)
    return blocks([
      "**Not measured together.** The figures above are of each run by itself.",
      notes.join(" "),
    ]);
  return blocks([
    "After the last run, for each persona whose own confirmation is not of all that was kept: the state before the sequence against everything kept in all of it, in interleaved pairs, at the rate of the persona's own run.",
    goalsTable(
      checked.map(({ part, check }) => ({ part, results: check.objectives })),
      ({ result }) => [
        ...changeCells(result, true),
        result.effect ? emphasised(readEffect(result.effect)) : NOT_MEASURED,
      ],
      () => "",
      ["reading"],
    ),
    notes.join(" "),
  ]);
}

interface Row {
  readonly part: Part;
  readonly result: ObjectiveResult;
}

/** `prefix`: whose journal is cited. */
function goalsTable(
  groups: readonly { readonly part: Part; readonly results: readonly ObjectiveResult[] }[],
  cellsOf: (row: Row) => readonly string[],
  prefix: (row: Row) => string,
  more: readonly string[] = [],
): string {
  const effects = groups.flatMap(({ results }) =>
    results.flatMap(({ effect }) => (effect ? [effect] : [])),
  );
  return table(
    [
      "persona",
      "metric",
      "before",
      "after",
      "change",
      intervalTitle(effects),
      "pairs",
      ...more,
      "goal (acceptance)",
      "stretch goal",
      "goal met?",
      "source",
    ],
    groups.flatMap(({ part, results }) =>
      results.map((result) => {
        const { before, after, objective } = result;
        const seqs = [...(before?.seqs ?? []), ...(after?.seqs ?? [])];
        return [
          plain(part.title),
          goalMetricOf(objective.metric).title,
          formatReading(objective.metric, before),
          formatReading(objective.metric, after),
          ...cellsOf({ part, result }),
          ...goalCells(result),
          seqs.length === 0 ? "none" : `${prefix({ part, result })}${cite(seqs)}`,
        ];
      }),
    ),
  );
}

/** `confirmed` false: the run has nothing to compare, for it kept nothing or did not get that far. */
function changeCells(
  { effect, unpaired, after }: ObjectiveResult,
  confirmed: boolean,
): readonly string[] {
  if (!confirmed) return [after ? "nothing kept" : NOT_MEASURED, "none", "0"];
  if (unpaired) return [unpaired.words, "not paired", "none"];
  if (!effect) return [NOT_MEASURED, NOT_MEASURED, "0"];
  return [formatEffectChange(effect), formatInterval(effect), String(effect.pairs)];
}

function emphasised(reading: string): string {
  return reading === "no change shown" ? reading : `**${reading}**`;
}
