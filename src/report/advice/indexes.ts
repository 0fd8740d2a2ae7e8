/** The indexes to build: what each is, costs and saves, and which statements gain and lose by it. */
import type { IndexAdvice, SelectedIndex, WriteCost } from "../../core/advice.ts";
import { describeIndex } from "../../core/index-definition.ts";
import { formatBytes, formatDuration } from "../../core/units.ts";
import { countOf } from "../format.ts";
import { sentence } from "../markdown-text.ts";
import { list, table, type Block } from "../outputs/document.ts";
import { effectInWords, formatPercent, formatShare, sizesFrom } from "./words.ts";

/** What makes a table of 80 columns. */
const WIDTHS = [2, 28, 8, 7, 8, 7];
const NAMED_MOST = 4;

export function indexBlocks(advice: IndexAdvice): readonly (Block | undefined)[] {
  const { selected } = advice;
  return [
    table(
      ["#", "index", "size", "gain", "build", "writes"],
      selected.map(({ index, bytes, gain, build, writes }, position) => [
        String(position + 1),
        { text: describeIndex(index), code: true },
        formatBytes(bytes),
        formatShare(gain),
        build.ms === undefined ? "unknown" : formatDuration(build.ms),
        writes.cost === 0 ? "free" : formatPercent(writes.percent),
      ]),
      WIDTHS,
    ),
    selected.length === 0
      ? undefined
      : {
          kind: "text",
          text: `In the order to build them. Size: ${sizesFrom(advice)}. The rest is estimated: gain is the share of the workload's cost that would come back without it, writes what keeping it up adds.`,
        },
    list(selected.map(detailsOf)),
  ];
}

function detailsOf(each: SelectedIndex, position: number): string {
  const { gaining, losing, writes, because } = each;
  const named = gaining.slice(0, NAMED_MOST).map(effectInWords);
  const more = gaining.length > NAMED_MOST ? ` and ${gaining.length - NAMED_MOST} more` : "";
  return [
    `${position + 1}: ${sentence(because)}`,
    gaining.length === 0 ? "No plan gets cheaper by it." : `Cheaper: ${named.join(", ")}${more}.`,
    losing.length === 0
      ? "None dearer."
      : `Dearer: ${losing.slice(0, NAMED_MOST).map(effectInWords).join(", ")}${losing.length > NAMED_MOST ? ` and ${losing.length - NAMED_MOST} more` : ""}.`,
    writesInWords(writes),
  ].join(" ");
}

function writesInWords({ inserts, updates, deletes, hotLost }: WriteCost): string {
  const parts = [
    ...(inserts > 0 ? [countOf(inserts, "insert")] : []),
    ...(updates > 0 ? [countOf(updates, "update")] : []),
    ...(deletes > 0 ? [countOf(deletes, "delete")] : []),
  ];
  if (parts.length === 0) return "No write of the workload has to keep it up.";
  const hot = hotLost > 0 ? `; ${countOf(hotLost, "update")} can no longer be in place (HOT)` : "";
  return `Kept up by ${parts.join(", ")}${hot}.`;
}
