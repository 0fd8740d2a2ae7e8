/** A sweep as CSV: sizes and throughput, by the names of their columns or by their position. */
import { text } from "node:stream/consumers";
import { CsvError, parse } from "csv-parse/sync";
import { messageOf, PerfoptError } from "../core/errors.ts";
import type { PoolMeasurement, PoolSubject } from "../core/pool-advice.ts";
import type { Context } from "./context.ts";
import { openInput } from "./input-file.ts";

export interface PoolCsv {
  readonly subject: PoolSubject;
  readonly measurements: readonly PoolMeasurement[];
  readonly caveats: readonly string[];
}

type Field = "size" | "throughput" | "response" | "p95" | "p99" | "wait" | "inUse";

interface Column {
  readonly field: Field | undefined;
  /** What makes milliseconds of it. */
  readonly factor: number;
}

interface Layout {
  readonly subject: PoolSubject;
  /** As the file has them; columns without a meaning, and of two with the same the second, are not used. */
  readonly unused: readonly string[];
  readonly columns: readonly Column[];
}

const ROWS_MOST = 10_000;
const SIZE_MOST = 1_000_000;
const WANTED =
  "begin the file with a header such as clients,throughput,response_ms (or connections, or pool_size), and give numbers below it";

const SUBJECTS: readonly (readonly [RegExp, PoolSubject])[] = [
  [/^(?:pool|pool_?size|pool_?max|max_?pool_?size)$/, "pool"],
  [/^(?:clients?|connections?|conns?|n|size)$/, "connections"],
  [/^(?:users?|concurrency|threads?|in_?flight|under_?way)$/, "users"],
];
const FIELDS: readonly (readonly [RegExp, Field])[] = [
  [
    /^(?:x|rate|tps|rps|qps|per_?second|throughput|(?:throughput_)?(?:req|requests|tx|transactions|queries)_(?:per_)?(?:s|sec|second)|throughput_(?:per_)?(?:s|sec|second))$/,
    "throughput",
  ],
  [
    /^(?:mean|avg|average|(?:(?:mean|avg|average)_?)?(?:response|response_?time|latency)|(?:response|latency)_(?:mean|avg|average))$/,
    "response",
  ],
  [/^(?:(?:latency|response)_)?p95$|^p95_(?:latency|response)$/, "p95"],
  [/^(?:(?:latency|response)_)?p99$|^p99_(?:latency|response)$/, "p99"],
  [/^(?:pool_)?wait$/, "wait"],
  [/^in_?use$/, "inUse"],
];

/** `-` is standard input; names that end in .gz are unpacked. Throws bad-input that names the line. */
export async function readPoolCsv(context: Context, file: string): Promise<PoolCsv> {
  const name = file === "-" ? "stdin" : file;
  return poolCsvOf(await textOf(context, file), name);
}

function poolCsvOf(csv: string, name: string): PoolCsv {
  const rows = recordsOf(csv, name);
  const [first] = rows;
  if (!first) throw bad(`${name} is empty`, WANTED);
  const layout = layoutOf(first, name);
  const below = isHeader(first.cells) ? rows.slice(1) : rows;
  if (below.length === 0) throw bad(`${name} has no rows below its header`, WANTED);
  return {
    subject: layout.subject,
    measurements: below.map((row) => {
      const measured = measurementOf(row, layout, name);
      // How many requests a pool of that size had to serve, its size does not say.
      return layout.subject === "pool" ? measured : { ...measured, underWay: measured.size };
    }),
    caveats: caveatsOf(layout),
  };
}

function caveatsOf(layout: Layout): readonly string[] {
  const { unused } = layout;
  return [
    ...littleCaveats(layout),
    ...(unused.length === 0 ? [] : [`columns that were not used: ${unused.join(", ")}`]),
  ];
}

function littleCaveats({ subject, columns }: Layout): readonly string[] {
  if (subject === "pool") {
    return [
      "Little's law cannot check a sweep of pool sizes that does not say how many requests were under way",
    ];
  }
  if (columns.some(({ field }) => field === "response")) return [];
  return [
    "without a column of mean responses (response_ms) Little's law cannot check the measurements",
  ];
}

async function textOf(context: Context, file: string): Promise<string> {
  const source = openInput(context, file);
  try {
    return await text(source);
  } catch (cause) {
    throw new PerfoptError(
      "bad-input",
      `--csv ${file} could not be read: ${messageOf(cause)}`,
      "check that the file is there and may be read, or give - for stdin",
      { cause },
    );
  } finally {
    source.destroy();
  }
}

interface Line {
  readonly cells: readonly string[];
  readonly line: number;
}

function recordsOf(csv: string, name: string): readonly Line[] {
  try {
    const lines: number[] = [];
    const found = parse(csv, {
      bom: true,
      comment: "#",
      delimiter: [",", ";", "\t"],
      on_record: (record, context) => {
        lines.push(context.lines);
        return record;
      },
      relax_column_count: true,
      skip_empty_lines: true,
      trim: true,
      to: ROWS_MOST + 1,
    });
    return found.map((cells, index) => ({ cells, line: lines[index] ?? 0 }));
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    const line = typeof error["lines"] === "number" ? `:${error["lines"]}` : "";
    throw bad(`${name}${line}: ${messageOf(error)}`, "correct that line", error);
  }
}

function isHeader(cells: readonly string[]): boolean {
  return cells.every((cell) => !isNumber(cell));
}

/** Without a header: size, throughput and, where there is a third column, the mean response in milliseconds. */
function layoutOf({ cells, line }: Line, name: string): Layout {
  if (!isHeader(cells)) {
    const fields: readonly Field[] = ["size", "throughput", "response"];
    const columns = cells.map((_, index) => ({ field: fields[index], factor: 1 }));
    if (columns.length < 2) {
      throw bad(`${name}:${line}: expected at least two columns, found ${columns.length}`, WANTED);
    }
    return { subject: "connections", columns, unused: [] };
  }
  const names = cells.map((cell) =>
    cell
      .toLowerCase()
      .replaceAll(/[\s()[\]./-]+/g, "_")
      .replaceAll(/^_|_$/g, ""),
  );
  const subjects = names.map((each) => SUBJECTS.find(([pattern]) => pattern.test(each))?.[1]);
  const sized = subjects.findIndex((subject) => subject !== undefined);
  const subject = subjects[sized];
  const columns = names.map((each, index): Column => {
    return index === sized ? { field: "size", factor: 1 } : columnOf(each);
  });
  const missing = [
    ...(subject === undefined ? ["clients, connections, pool_size or users"] : []),
    ...(columns.some(({ field }) => field === "throughput") ? [] : ["throughput (or tps, rps)"]),
  ];
  if (subject === undefined || missing.length > 0) {
    throw bad(
      `${name}:${line}: the header names no column ${missing.join(" and none ")}; it has ${cells.map(shortened).join(", ")}`,
      WANTED,
    );
  }
  return { subject, columns, unused: unusedOf(cells, columns) };
}

/** A value is read from the first column of its meaning. */
function unusedOf(cells: readonly string[], columns: readonly Column[]): readonly string[] {
  return cells
    .filter((_, index) => {
      const field = columns[index]?.field;
      return field === undefined || columns.findIndex((each) => each.field === field) !== index;
    })
    .map(shortened);
}

function shortened(cell: string): string {
  return `"${cell.length > 40 ? `${cell.slice(0, 40)}...` : cell}"`;
}

/** A time may say its unit: response_ms, p95_s, latency_us; milliseconds where it says none. */
function columnOf(name: string): Column {
  const [, bare = name, unit] = /^(.*?)(?:_(ms|us|s))?$/.exec(name) ?? [];
  const exact = FIELDS.find(([pattern]) => pattern.test(name))?.[1];
  const field = exact ?? FIELDS.find(([pattern]) => pattern.test(bare))?.[1];
  const factor = exact !== undefined ? 1 : unit === "s" ? 1_000 : unit === "us" ? 0.001 : 1;
  return { field, factor };
}

function measurementOf({ cells, line }: Line, { columns }: Layout, name: string): PoolMeasurement {
  const where = `${name}:${line}`;
  const value = (wanted: Field): number | undefined => {
    const index = columns.findIndex(({ field }) => field === wanted);
    const cell = index < 0 ? "" : (cells[index] ?? "");
    if (cell === "") return undefined;
    if (isNumber(cell) && Number(cell) >= 0) return Number(cell) * (columns[index]?.factor ?? 1);
    if (isNumber(cell)) {
      throw bad(
        `${where}: ${wanted} is ${cell}, and cannot be below zero`,
        "correct that line, or leave it out",
      );
    }
    throw bad(
      `${where}: expected a number as ${wanted}, found "${cell.slice(0, 40)}"`,
      "write numbers plainly, such as 1234.5",
    );
  };
  const size = value("size");
  if (size === undefined || !(size >= 1 && size <= SIZE_MOST)) {
    throw bad(
      `${where}: expected a size from 1 to ${SIZE_MOST}, found ${size ?? "none"}`,
      "each row needs how many clients or connections there were",
    );
  }
  const throughput = value("throughput");
  if (throughput === undefined) {
    throw bad(
      `${where}: expected a throughput, found none`,
      "each row needs what was completed a second",
    );
  }
  return {
    size,
    throughput,
    from: `line ${line}`,
    ...timesOf(value),
    ...insideOf(value),
  };
}

function timesOf(
  value: (field: Field) => number | undefined,
): Pick<PoolMeasurement, "responseMs" | "latencyP95Ms" | "latencyP99Ms"> {
  const [responseMs, latencyP95Ms, latencyP99Ms] = [value("response"), value("p95"), value("p99")];
  return {
    ...(responseMs === undefined ? {} : { responseMs }),
    ...(latencyP95Ms === undefined ? {} : { latencyP95Ms }),
    ...(latencyP99Ms === undefined ? {} : { latencyP99Ms }),
  };
}

function insideOf(value: (field: Field) => number | undefined): Pick<PoolMeasurement, "inside"> {
  const [waitMs, inUse] = [value("wait"), value("inUse")];
  if (waitMs === undefined && inUse === undefined) return {};
  return {
    inside: {
      ...(waitMs === undefined ? {} : { waitMs }),
      ...(inUse === undefined ? {} : { inUse }),
    },
  };
}

function isNumber(cell: string): boolean {
  return cell !== "" && Number.isFinite(Number(cell));
}

function bad(message: string, hint: string, cause?: unknown): PerfoptError {
  return new PerfoptError("bad-input", `--csv ${message}`, hint, { cause });
}
