/** PostgreSQL's log as entries, in whichever of its three formats, line by line and with bounded memory. */
import { parse } from "csv-parse/sync";

export const logFormats = ["stderr", "csv", "json"] as const;
export type LogFormat = (typeof logFormats)[number];

export interface LogEntry {
  /** Tells sessions apart: entries of one belong together. */
  readonly session: string;
  readonly database: string | undefined;
  readonly application: string | undefined;
  readonly message: string;
  readonly detail: string | undefined;
}

export type Lines = AsyncIterable<string> | Iterable<string>;

/** Entries at level LOG; lines that are none are passed over and counted. */
export async function* entriesOf(
  lines: Lines,
  format: LogFormat,
  onUnread: () => void,
): AsyncGenerator<LogEntry> {
  if (format === "stderr") yield* stderrEntries(lines, onUnread);
  else if (format === "csv") yield* csvEntries(lines, onUnread);
  else yield* jsonEntries(lines, onUnread);
}

/** Longer entries are cut: no statement of that length is worth its memory. */
const ENTRY_CHARACTERS_MAX = 1_000_000;

/** The level stands behind any log_line_prefix, and continued lines begin with a tab. */
const LEVEL =
  /^(.*?)\b(LOG|DETAIL|ERROR|FATAL|PANIC|WARNING|NOTICE|INFO|HINT|STATEMENT|CONTEXT|QUERY|LOCATION|DEBUG\d?): {1,2}(.*)$/s;

interface Part {
  readonly prefix: string;
  readonly level: string;
  text: string;
}

async function* stderrEntries(lines: Lines, onUnread: () => void): AsyncGenerator<LogEntry> {
  let main: Part | undefined;
  let detail: Part | undefined;
  let last: Part | undefined;
  const done = function* (): Generator<LogEntry> {
    if (main?.level === "LOG") yield entryOf(main, detail);
    main = undefined;
    detail = undefined;
  };
  for await (const raw of lines) {
    const line = raw.endsWith("\r") ? raw.slice(0, -1) : raw;
    if (line.startsWith("\t")) {
      if (last && last.text.length < ENTRY_CHARACTERS_MAX) last.text += `\n${line.slice(1)}`;
      continue;
    }
    const [, prefix, level, text] = LEVEL.exec(line) ?? [];
    if (prefix === undefined || level === undefined || text === undefined) {
      // Collectors sometimes lose the tab; an empty line inside a statement is one.
      if (last && line.trim() === "") last.text += "\n";
      else if (line.trim() !== "") onUnread();
      continue;
    }
    last = { prefix, level, text };
    if (level === "DETAIL") detail = last;
    else if (!["HINT", "STATEMENT", "CONTEXT", "QUERY", "LOCATION"].includes(level)) {
      yield* done();
      main = last;
    }
  }
  yield* done();
}

const SESSION = /\[(\d+)\]|\bpid=(\d+)|\b(\d+)\b(?=[^\d]*$)/;
const DATABASE = /\b(?:db|database)=([^\s,;]+)|[\w.-]+@([\w.-]+)/;
const APPLICATION = /\bapp(?:lication)?=([^\s,;]+)/;

/** Whose prefix is not known: process, database and application as most people write them there. */
function entryOf(main: Part, detail: Part | undefined): LogEntry {
  const process = SESSION.exec(main.prefix);
  const database = DATABASE.exec(main.prefix);
  return {
    session: process?.[1] ?? process?.[2] ?? process?.[3] ?? "",
    database: database?.[1] ?? database?.[2],
    application: APPLICATION.exec(main.prefix)?.[1],
    message: main.text,
    detail: detail?.text,
  };
}

/** Columns of csvlog, the same in all versions; 13 and 14 added more at the end. */
const CSV = { database: 2, session: 5, severity: 11, message: 13, detail: 14, application: 22 };
const CSV_COLUMNS_LEAST = 23;

async function* csvEntries(lines: Lines, onUnread: () => void): AsyncGenerator<LogEntry> {
  let record = "";
  let quotes = 0;
  for await (const line of lines) {
    // After damage a quote is missing for good: a line that begins an entry by itself begins it.
    if (record !== "" && quotes % 2 === 1 && beginsRecord(line)) {
      onUnread();
      record = "";
      quotes = 0;
    }
    if (record.length < ENTRY_CHARACTERS_MAX) record += record === "" ? line : `\n${line}`;
    quotes += line.split('"').length - 1;
    if (quotes % 2 === 1) continue;
    const fields = fieldsOf(record);
    if (!fields) {
      if (record.trim() !== "") onUnread();
    } else if (fields[CSV.severity] === "LOG") {
      yield {
        session: fields[CSV.session] ?? "",
        database: fields[CSV.database],
        application: fields[CSV.application],
        message: fields[CSV.message] ?? "",
        detail: fields[CSV.detail] || undefined,
      };
    }
    record = "";
    quotes = 0;
  }
}

function beginsRecord(line: string): boolean {
  return /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} [^,"]+,(?:"[^"]*")?,(?:"[^"]*")?,\d+,/.test(line);
}

function fieldsOf(record: string): readonly string[] | undefined {
  try {
    const [fields]: readonly (readonly string[])[] = parse(record, { relax_column_count: true });
    return fields && fields.length >= CSV_COLUMNS_LEAST ? fields : undefined;
  } catch {
    return undefined;
  }
}

async function* jsonEntries(lines: Lines, onUnread: () => void): AsyncGenerator<LogEntry> {
  for await (const line of lines) {
    if (line.trim() === "") continue;
    const entry = objectOf(line);
    if (!entry || typeof entry["message"] !== "string") {
      onUnread();
      continue;
    }
    if (entry["error_severity"] !== "LOG") continue;
    yield {
      session: textOf(entry["session_id"]) ?? String(entry["pid"]),
      database: textOf(entry["dbname"]),
      application: textOf(entry["application_name"]),
      message: entry["message"],
      detail: textOf(entry["detail"]),
    };
  }
}

function objectOf(line: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}
