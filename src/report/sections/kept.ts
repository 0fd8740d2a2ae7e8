/** Section "exact changes": what is applied to the real target, how to have it elsewhere, and the command that undoes it. */
import type { Knob } from "../../core/knob.ts";
import { isNothing, type ChangeRecord } from "../changes.ts";
import { cite, describeChange, formatKnobValue } from "../format.ts";
import { blocks, code, codeBlock, plain, table } from "../markdown-text.ts";
import type { Summary } from "../summary.ts";
import { elsewhereText } from "./elsewhere.ts";

export function keptSection(summary: Summary, rollbackCommand: string): string {
  const { net, changes, knobs, kept } = summary;
  const nothing = isNothing(net);
  return blocks([
    nothing ? nothingText(summary) : netTable(summary),
    changes.every(({ state }) => state === "reverted")
      ? undefined
      : `The command that undoes all of it:\n\n${codeBlock("sh", [rollbackCommand])}`,
    ...(nothing ? [] : elsewhereText(net, knobs, summary.start.event.target.sessions)),
    changes.length > 0 ? recordsTable(changes, knobs) : undefined,
    kept.length > 0 && changes.length === 0
      ? "The journal shows a decision to keep, but not that anything was applied to the real target."
      : undefined,
  ]);
}

function nothingText({ changes }: Summary): string {
  if (changes.length === 0)
    return "Nothing of this run is applied: the target is as it was before. There is nothing to undo.";
  return changes.every(({ state }) => state === "reverted")
    ? "Nothing of this run is applied at the journal's end: every change was taken back."
    : "**It is not known what is applied:** the journal ends in the middle of a change.";
}

function netTable({ net, knobs }: Summary): string {
  return table(
    ["what", "from", "to", "source"],
    [
      ...net.knobs.map(({ knob, from, to, seqs }) => {
        const known = knobs.find((each) => each.id === knob);
        return [
          code(knob),
          plain(formatKnobValue(known, from)),
          plain(formatKnobValue(known, to)),
          cite(seqs),
        ];
      }),
      ...net.indexes.map(({ index, seqs }) => [
        `index ${code(index.name)} on ${code(`${index.schema}.${index.table}`)}`,
        "absent",
        "created",
        cite(seqs),
      ]),
      ...net.statistics.map(({ statistics: { schema, table: of, name }, seqs }) => [
        `statistics ${code(name)} on ${code(`${schema}.${of}`)}`,
        "absent",
        "created",
        cite(seqs),
      ]),
    ],
  );
}

function recordsTable(changes: readonly ChangeRecord[], knobs: readonly Knob[]): string {
  return blocks([
    "Every change of the real target, in order:",
    table(
      ["change", "state at the journal's end", "verified by", "source"],
      changes.map(({ change, state, detail, seqs }) => [
        plain(describeChange(change, knobs)),
        stateWords[state],
        plain(detail) || "nothing in the journal",
        cite(seqs),
      ]),
    ),
  ]);
}

const stateWords = {
  applying: "**unknown: begun, no outcome**",
  applied: "applied",
  reverting: "**unknown: undoing begun, no outcome**",
  reverted: "undone",
} as const;
