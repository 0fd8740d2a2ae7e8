/** Why indexes were not taken: reasons that differ in names and numbers alone are counted as one. */
import type { RejectedIndex } from "../../core/advice.ts";
import { describeIndex } from "../../core/index-definition.ts";
import { shortened, table, type Block } from "../outputs/document.ts";

const GROUPS_MOST = 10;
const REASON_CHARACTERS = 200;
const WIDTHS = [8, 30, 32];

export function rejectedBlocks(rejected: readonly RejectedIndex[]): readonly (Block | undefined)[] {
  const groups = new Map<string, RejectedIndex[]>();
  for (const each of rejected) {
    const key = shapeOf(each.reason);
    const group = groups.get(key);
    if (group) group.push(each);
    else groups.set(key, [each]);
  }
  const ranked = [...groups.values()].toSorted((a, b) => b.length - a.length);
  const hidden = ranked.slice(GROUPS_MOST).reduce((sum, group) => sum + group.length, 0);
  return [
    table(
      ["how many", "for example", "because"],
      ranked.slice(0, GROUPS_MOST).flatMap((group) => {
        const [first] = group;
        if (!first) return [];
        return [
          [
            String(group.length),
            { text: describeIndex(first.index), code: true },
            shortened(first.reason, REASON_CHARACTERS),
          ],
        ];
      }),
      WIDTHS,
    ),
    hidden === 0
      ? undefined
      : {
          kind: "text",
          text: `${hidden} more for other reasons: --json has each with its reason.`,
        },
  ];
}

/** A reason without what differs from index to index: numbers, names with underscores, quotes and brackets. */
function shapeOf(reason: string): string {
  return reason
    .replaceAll(/"[^"]*"|'[^']*'|`[^`]*`|\([^()]*\)/g, "*")
    .replaceAll(/\S*_\S*/g, "*")
    .replaceAll(/[\d.,]*\d(?: (?:B|kB|MB|GB|TB|µs|ms|s|min)\b)?/g, "*")
    .replaceAll(/\*(?:[ ,]+\*)+/g, "*");
}
