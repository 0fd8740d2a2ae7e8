/** What is wrong beside missing indexes, by kind, and the SQL that would mend it. */
import { findingKinds, type Finding, type FindingKind } from "../../core/advice.ts";
import { formatBytes } from "../../core/units.ts";
import { countOf } from "../format.ts";
import { clean, list, type Block } from "../outputs/document.ts";
import { ended, idOf } from "./words.ts";

/** Of one kind; the rest is counted. */
const SHOWN_MOST = 12;

const WORDS: Readonly<Record<FindingKind, readonly [one: string, many: string, title: string]>> = {
  unused: [
    "unused index",
    "unused indexes",
    "Unused indexes (look on replicas too before one is dropped)",
  ],
  duplicate: ["duplicate index", "duplicate indexes", "Duplicate indexes"],
  redundant: [
    "redundant index",
    "redundant indexes",
    "Redundant indexes: another one serves what they serve",
  ],
  invalid: ["invalid index", "invalid indexes", "Invalid indexes"],
  bloated: ["bloated index", "bloated indexes", "Bloated indexes"],
  "unindexed-foreign-key": [
    "foreign key without an index",
    "foreign keys without an index",
    "Foreign keys without an index",
  ],
  "missing-statistics": ["estimate far off", "estimates far off", "Estimates far off"],
  "stale-statistics": [
    "table with old statistics",
    "tables with old statistics",
    "Tables with old or no statistics",
  ],
  "n-plus-one": ["possible N+1", "possible N+1", "The same lookup again and again (N+1)"],
  paging: ["paging by OFFSET", "pagings by OFFSET", "Paging by OFFSET"],
  rewrite: [
    "statement to write otherwise",
    "statements to write otherwise",
    "Statements to write otherwise",
  ],
};

export function findingsInWords(findings: readonly Finding[]): string | undefined {
  const parts = kindsOf(findings).map(([kind, found]) =>
    countOf(found.length, WORDS[kind][0], WORDS[kind][1]),
  );
  return parts.length === 0 ? undefined : parts.join(", ");
}

export function findingBlocks(findings: readonly Finding[]): readonly (Block | undefined)[] {
  return kindsOf(findings).flatMap(([kind, found]) => {
    const shown = found.slice(0, SHOWN_MOST).map(inWords);
    const hidden = found.length - shown.length;
    return [
      { kind: "text", text: `${WORDS[kind][2]}:` },
      list(hidden === 0 ? shown : [...shown, `and ${hidden} more in --json`]),
    ];
  });
}

/** To be read before it is run: perfopt never runs it. */
export function findingSql(findings: readonly Finding[]): Block | undefined {
  const lines = findings.flatMap(({ kind, table, index, statement, sql }) =>
    sql === undefined
      ? []
      : [
          `-- ${clean([kind, index, table, statement].filter((each) => each !== undefined).join(", "))}`,
          ...sql.split("\n"),
        ],
  );
  return lines.length === 0 ? undefined : { kind: "code", language: "sql", lines };
}

function kindsOf(
  findings: readonly Finding[],
): readonly (readonly [FindingKind, readonly Finding[]])[] {
  return findingKinds
    .map((kind) => [kind, findings.filter((each) => each.kind === kind)] as const)
    .filter(([, found]) => found.length > 0);
}

function inWords({ table, index, statement, bytes, detail }: Finding): string {
  const where =
    index !== undefined
      ? `${inCode(index)} on ${table ?? "its table"}`
      : statement !== undefined
        ? `statement ${idOf(statement)}${table === undefined ? "" : ` on ${table}`}`
        : (table ?? "");
  const size = bytes === undefined || bytes === 0 ? "" : ` (${formatBytes(bytes)})`;
  return `${where}${size}: ${ended(detail)}`;
}

function inCode(name: string): string {
  return `\`${clean(name).replaceAll("`", "'")}\``;
}
