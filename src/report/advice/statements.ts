/** The statements of the workload: their share, what they cost before and after, by which index, and what helps where none does. */
import type { Finding, IndexAdvice, StatementAdvice } from "../../core/advice.ts";
import { countOf } from "../format.ts";
import { list, shortened, table, type Block, type Cell } from "../outputs/document.ts";
import { costChange, ended, formatCost, formatShare, idOf } from "./words.ts";

const WIDTHS = [28, 7, 15, 9, 5];
const SHOWN_MOST = 15;
/** More rows than this make a comment that nobody reads; the JSON has them all. */
const LISTED_MOST = 200;
const SQL_SHOWN = 72;
const SQL_LISTED = 400;

export function statementBlocks(advice: IndexAdvice): readonly (Block | undefined)[] {
  const { statements } = advice;
  const hidden = statements.length - SHOWN_MOST;
  return [
    statementsTable(advice, statements.slice(0, SHOWN_MOST), SQL_SHOWN),
    hidden > 0
      ? { kind: "text", text: `The heaviest; ${countOf(hidden, "more", "more")} in --json.` }
      : undefined,
    list(statements.flatMap((statement) => remarksOf(statement, advice.findings))),
  ];
}

export function allStatementsTable(advice: IndexAdvice): Block | undefined {
  if (advice.statements.length <= SHOWN_MOST) return undefined;
  return statementsTable(advice, advice.statements.slice(0, LISTED_MOST), SQL_LISTED);
}

function statementsTable(
  { selected }: IndexAdvice,
  statements: readonly StatementAdvice[],
  sqlMost: number,
): Block | undefined {
  const numbers = new Map(selected.map(({ index }, position) => [index.name, position + 1]));
  return table(
    ["statement", "share", "cost, estimated", "change", "by #"],
    statements.map((statement): readonly Cell[] => {
      const { id, sql, weight, costBefore, costAfter, uses } = statement;
      const change = costChange(costBefore, costAfter);
      return [
        { text: `${idOf(id)}: ${shortened(sql, sqlMost)}`, code: true },
        formatShare(weight),
        costBefore === undefined
          ? "not planned"
          : `${formatCost(costBefore)} to ${formatCost(costAfter)}`,
        costBefore !== undefined &&
        costAfter !== undefined &&
        costAfter > costBefore &&
        change !== "0.0 %"
          ? { text: change, tone: "warn" }
          : change,
        uses.flatMap((name) => numbers.get(name) ?? []).join(", "),
      ];
    }),
    WIDTHS,
  );
}

/** What would help is said once: here, unless a finding says it. */
function remarksOf(
  { id, notes, remedy }: StatementAdvice,
  findings: readonly Finding[],
): readonly string[] {
  const found = findings.some(({ statement }) => statement === id);
  const remarks = [...(remedy === undefined || found ? [] : [remedy]), ...notes];
  return remarks.length === 0 ? [] : [`${idOf(id)}: ${remarks.map(ended).join(" ")}`];
}
