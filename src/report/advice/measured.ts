/** What was measured in a copy, each statement beside what the planner expected of it. */
import type { IndexAdvice, VerifiedStatement } from "../../core/advice.ts";
import { describeIndex } from "../../core/index-definition.ts";
import { formatBytes, formatDuration } from "../../core/units.ts";
import { countOf } from "../format.ts";
import { sentence } from "../markdown-text.ts";
import { list, table, type Block, type Cell, type Tone } from "../outputs/document.ts";
import { ended, factorChange, idOf, measuredChange } from "./words.ts";

const WIDTHS = [10, 9, 16, 16, 12];
const SIZE_WIDTHS = [36, 10, 10, 9];

export function measuredBlocks({ verification }: IndexAdvice): readonly (Block | undefined)[] {
  if (!verification) return [];
  const { design, repetitions, statements, removed, sizes } = verification;
  return [
    {
      kind: "text",
      text: `${sentence(design)} Repetitions of each: ${repetitions}. Estimated is the planner's cost, measured the time; both with the indexes against without.`,
    },
    table(
      ["statement", "estimated", "measured time", "median", "verdict"],
      statements.filter((each) => !keepsItsPlan(each)).map(rowOf),
      WIDTHS,
    ),
    list(unchangedInWords(statements.filter(keepsItsPlan).length)),
    list(
      removed.map(
        ({ index, because }) => `Taken out again: ${describeIndex(index)}. ${ended(because)}`,
      ),
    ),
    list(
      statements.flatMap((each) =>
        each.note === undefined || keepsItsPlan(each)
          ? []
          : [`${idOf(each.id)}: ${ended(each.note)}`],
      ),
    ),
    table(
      ["index", "estimated", "built", "took"],
      sizes.map(({ name, estimatedBytes, bytes, buildMs }): readonly Cell[] => [
        { text: name, code: true },
        formatBytes(estimatedBytes),
        formatBytes(bytes),
        formatDuration(buildMs),
      ]),
      SIZE_WIDTHS,
    ),
  ];
}

/** Nothing was there to be timed. */
function keepsItsPlan({ verdict, measured }: VerifiedStatement): boolean {
  return verdict === "no difference shown" && measured === undefined;
}

function unchangedInWords(count: number): readonly string[] {
  if (count === 0) return [];
  return [
    `${countOf(count, "statement")} ${count === 1 ? "has" : "have"} the same plan with the indexes and without, and ${count === 1 ? "was" : "were"} not timed.`,
  ];
}

const TONES: Readonly<Record<VerifiedStatement["verdict"], Tone>> = {
  faster: "good",
  slower: "bad",
  "no difference shown": "plain",
  timeout: "warn",
  "not run": "warn",
};

function rowOf({ id, estimated, measured, verdict }: VerifiedStatement): readonly Cell[] {
  return [
    { text: idOf(id), code: true },
    estimated === undefined ? "not planned" : factorChange(estimated),
    measured === undefined ? "not measured" : measuredChange(measured),
    measured === undefined
      ? ""
      : `${formatDuration(measured.withoutMs)} to ${formatDuration(measured.withMs)}`,
    { text: verdict, tone: TONES[verdict] },
  ];
}
