/** Which kind of workload a file is, by its name and its first lines, and the workload read from it. */
import { PerfoptError } from "../../../core/errors.ts";
import type { IndexWorkload } from "../statement.ts";
import { workloadOfJson } from "./json.ts";
import { workloadOfLog } from "./log.ts";
import { workloadOfSql } from "./sql-file.ts";

export type SourceKind = "sql" | "json" | "stderr log" | "csv log" | "json log";

export interface SourceOptions {
  /** Statements of other databases in a log are passed over. */
  readonly database?: string;
  /** Absent: found out. */
  readonly kind?: SourceKind;
}

/** Lines looked at before deciding. */
const HEAD_LINES = 200;
/** SQL and JSON files are read whole; logs are not. */
const CHARACTERS_MAX = 512 * 1024 * 1024;

/** Lines without their ends, as node:readline gives them. `name` is for people and has the file's ending, without .gz. */
export async function workloadOfLines(
  lines: AsyncIterable<string> | Iterable<string>,
  name: string,
  options: SourceOptions = {},
): Promise<IndexWorkload> {
  const iterator = asIterator(lines);
  const head: string[] = [];
  while (head.length < HEAD_LINES) {
    const next = await iterator.next();
    if (next.done === true) break;
    head.push(next.value);
  }
  const all = headThen(head, iterator);
  const kind = options.kind ?? detectSource(name, head.join("\n"));
  const { database } = options;
  const log = database === undefined ? {} : { database };
  if (kind === "stderr log") return workloadOfLog(all, name, { format: "stderr", ...log });
  if (kind === "csv log") return workloadOfLog(all, name, { format: "csv", ...log });
  if (kind === "json log") return workloadOfLog(all, name, { format: "json", ...log });
  const text = await textOf(all, name);
  return kind === "json" ? workloadOfJson(text, name) : workloadOfSql(text, name);
}

/** By what is in it; the name decides only where that says nothing. */
export function detectSource(name: string, head: string): SourceKind {
  const text = head.replace(/^\uFEFF/, "").trimStart();
  if (/^\{.*"(?:error_severity|session_id)":/.test(text)) return "json log";
  if (/^[[{]/.test(text)) return "json";
  if (/^\d{4}-\d\d-\d\d [^,\n]*,(?:"[^"\n]*")?,(?:"[^"\n]*")?,\d+,/m.test(text)) return "csv log";
  // The server writes two blanks; tools that ship logs sometimes leave one.
  const blanks = /\.log/i.test(name) ? "{1,2}" : "{2}";
  if (
    new RegExp(`^(?!--|\\s).*\\b(?:LOG|ERROR|FATAL|DETAIL|WARNING): ${blanks}\\S`, "m").test(text)
  ) {
    return "stderr log";
  }
  if (/\.csv$/i.test(name)) return "csv log";
  if (/\.json$/i.test(name)) return "json";
  return /\.log(?:\.\d+)?$/i.test(name) ? "stderr log" : "sql";
}

function asIterator(lines: AsyncIterable<string> | Iterable<string>): AsyncIterator<string> {
  return (async function* () {
    yield* lines;
  })();
}

async function* headThen(
  head: readonly string[],
  rest: AsyncIterator<string>,
): AsyncGenerator<string> {
  yield* head;
  for (let next = await rest.next(); next.done !== true; next = await rest.next()) yield next.value;
}

async function textOf(lines: AsyncIterable<string>, name: string): Promise<string> {
  const kept: string[] = [];
  let characters = 0;
  for await (const line of lines) {
    characters += line.length + 1;
    if (characters > CHARACTERS_MAX) {
      throw new PerfoptError(
        "bad-input",
        `${name} is longer than ${CHARACTERS_MAX} characters`,
        "give the heaviest statements only; logs may be of any length",
      );
    }
    kept.push(line);
  }
  return kept.join("\n");
}
