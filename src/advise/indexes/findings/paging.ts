/** Paging by OFFSET: every row that is skipped is read first, and an index only makes reading it cheaper. */
import type { Node } from "libpg-query";
import type { FindingBounds } from "./input.ts";
import { lastName } from "../expression-types.ts";
import { constantOf } from "./tree.ts";
import { counted } from "./words.ts";

type Select = Extract<Node, { SelectStmt: unknown }>["SelectStmt"];

export function pagingRemedy(tree: Node, bounds: FindingBounds): string | undefined {
  if (!("SelectStmt" in tree)) return undefined;
  const { limitOffset } = tree.SelectStmt;
  if (!limitOffset) return undefined;
  const rows = constantOf(limitOffset);
  if (typeof rows === "number" && rows < bounds.offsetLeast) return undefined;
  const skipped =
    typeof rows === "number"
      ? `OFFSET reads ${counted(rows, "row")} and throws them away`
      : "OFFSET reads the rows that it skips and throws them away, so deep pages take long";
  return `${skipped}, whatever index there is. Begin after the last row of the page before instead: ${seek(tree.SelectStmt)}`;
}

/** The condition that the order asks for, where it is plain columns in one direction. */
function seek({ sortClause = [] }: Select): string {
  const keys = sortClause.map((item) => {
    if (!("SortBy" in item)) return undefined;
    const { node, sortby_dir: direction } = item.SortBy;
    if (!node || !("ColumnRef" in node)) return undefined;
    return { name: lastName(node.ColumnRef.fields), descending: direction === "SORTBY_DESC" };
  });
  const [first] = keys;
  if (!first) return "WHERE key > the last key, with an ORDER BY that is unique";
  const names = keys.map((key) => key?.name ?? "");
  if (names.includes("") || keys.some((key) => key?.descending !== first.descending))
    return "WHERE with the last row's values of the ORDER BY";
  const list = names.length === 1 ? `${names[0]}` : `(${names.join(", ")})`;
  return `WHERE ${list} ${first.descending ? "<" : ">"} the last row's values, and the same ORDER BY, ended by a unique column`;
}
