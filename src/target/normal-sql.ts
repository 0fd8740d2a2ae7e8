/** One spelling for one statement (pure): what PostgreSQL keeps of a statement is the text of whoever sent it first. */

/** Strings, quoted names and PostgreSQL's own mark for a list that it shortened: these stay as they are. */
const KEPT =
  /'(?:[^']|'')*'|"(?:[^"]|"")*"|\$(?<tag>[A-Za-z_]*)\$[\s\S]*?\$\k<tag>\$|\/\*, \.\.\. \*\//;
/** White space and comments, in which tools put a trace's id. */
const BLANK = /(?:\s|--[^\n]*|\/\*(?!, \.\.\. \*\/)[\s\S]*?\*\/)+/;
const PARTS = new RegExp(`(${KEPT.source})|${BLANK.source}`, "g");

export function normalSql(sql: string): string {
  return sql.replace(PARTS, (_, kept: string | undefined) => kept ?? " ").trim();
}
