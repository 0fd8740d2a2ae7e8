/** Which column of a CSV file is which: from its header, or from the shape of its first line. */
import { fieldOf, type FieldKind, type TimeUnit } from "./fields.ts";

export interface CsvLayout {
  readonly kinds: readonly FieldKind[];
  readonly separator: number;
  /** Of the time column, where the header says it. */
  readonly timeUnit?: TimeUnit;
  readonly ttlUnit?: TimeUnit;
  readonly costUnit?: TimeUnit;
  /** The line is a header, not a row. */
  readonly header: boolean;
  readonly caveats: readonly string[];
}

const SEPARATORS = [",", "\t", ";"] as const;

/** Without a header: what research and tools publish, by number of columns. */
const HEADERLESS: ReadonlyMap<number, readonly FieldKind[]> = new Map([
  [3, ["time", "key", "size"]],
  [4, ["time", "key", "size", "op"]],
  // Twitter's cache traces: timestamp, key, key size, value size, client, operation, TTL, in seconds.
  [7, ["time", "key", "keyBytes", "size", "other", "op", "ttl"]],
  // MONITOR TRACE as proposed for Valkey (valkey#3655): time in us, sequence, db, command, key, access, found, type, sizes.
  [10, ["time", "other", "other", "op", "key", "access", "outcome", "other", "size", "other"]],
]);

export const LAYOUT_EXPECTED =
  "begin the file with a header that names its columns, like `time,key,size,op,ttl,cost,outcome`; time and key are needed";

/** A sentence that says what is wrong, when the line is neither a header nor a row of a known shape. */
export function layoutOf(line: string): CsvLayout | string {
  const separator = SEPARATORS.toSorted((a, b) => count(line, b) - count(line, a))[0] ?? ",";
  const names = splitLine(line, separator);
  const common = { separator: separator.charCodeAt(0) };
  if (names.some((name) => /^[-+]?\d+(?:\.\d+)?$/.test(name))) {
    const kinds = HEADERLESS.get(names.length);
    if (!kinds) return `the first line has ${names.length} columns and no names`;
    return {
      ...common,
      kinds,
      header: false,
      ...(names.length === 7 ? { timeUnit: "s", ttlUnit: "s" } : {}),
      caveats:
        names.length === 10
          ? [
              "Read as MONITOR TRACE (valkey#3655): the ninth column is taken for the size of the value.",
            ]
          : [],
    };
  }
  const fields = names.map(fieldOf);
  const kinds = fields.map(({ kind }, index) =>
    fields.findIndex((other) => other.kind === kind) === index ? kind : "other",
  );
  const missing = (["time", "key"] as const).filter((kind) => !kinds.includes(kind));
  if (missing.length > 0) return `the header names no column for ${missing.join(" and ")}`;
  const timeUnit = fields[kinds.indexOf("time")]?.unit;
  const ttlUnit = fields[kinds.indexOf("ttl")]?.unit;
  const costUnit = fields[kinds.indexOf("cost")]?.unit;
  return {
    ...common,
    kinds,
    header: true,
    ...(timeUnit ? { timeUnit } : {}),
    ...(ttlUnit ? { ttlUnit } : {}),
    ...(costUnit ? { costUnit } : {}),
    caveats: [],
  };
}

function count(text: string, character: string): number {
  return text.split(character).length - 1;
}

/** Quotes are taken off; that is enough for names and for seeing what is a number. */
function splitLine(line: string, separator: string): readonly string[] {
  const fields: string[] = [];
  let field = "";
  let quoted = false;
  for (const character of line) {
    if (character === '"') quoted = !quoted;
    else if (character === separator && !quoted) {
      fields.push(field.trim());
      field = "";
    } else field += character;
  }
  return [...fields, field.trim()];
}
