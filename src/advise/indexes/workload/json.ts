/** The workload of a JSON file: exports of pg_stat_statements and of monitoring tools, and EXPLAIN (FORMAT JSON) with its query text. */
import { messageOf, PerfoptError } from "../../../core/errors.ts";
import type { IndexWorkload } from "../statement.ts";
import { newGathering } from "./gather.ts";
import type { Observed } from "./gather.ts";
import { planOf } from "./auto-explain.ts";

/** An array of objects, an object that holds one, or one object a line. What was read is said in a caveat. */
export async function workloadOfJson(text: string, name: string): Promise<IndexWorkload> {
  const items = itemsOf(valueOf(text, name));
  const gathering = await newGathering();
  const counts = { queries: 0, plans: 0, other: 0 };
  for (const item of items) {
    const plan = planOf(item);
    const query = plan ? undefined : queryOf(item);
    if (plan) {
      const { sql, values, rows, ms } = plan;
      gathering.add({
        sql,
        calls: 1,
        ...(values === undefined ? {} : { values }),
        ...(rows === undefined ? {} : { rows }),
        ...(ms === undefined ? {} : { totalMs: ms }),
      });
    } else if (query) gathering.add(query);
    counts[plan ? "plans" : query ? "queries" : "other"] += 1;
  }
  if (counts.queries + counts.plans === 0) throw nothingRead(name);
  gathering.caveat(
    [
      `${name} was read as`,
      [
        ...(counts.queries > 0 ? [`${counts.queries} statements with their counts`] : []),
        ...(counts.plans > 0 ? [`${counts.plans} plans with their query text`] : []),
      ].join(" and "),
      ...(counts.other > 0 ? [`(${counts.other} other objects were passed over)`] : []),
    ].join(" "),
  );
  return gathering.finish(name);
}

function nothingRead(name: string): PerfoptError {
  return new PerfoptError(
    "bad-input",
    `${name} is JSON, but no object in it has a statement`,
    'give objects with "query" and, for weights, "calls" and "total_exec_time" or "mean_exec_time", or plans with "Query Text"',
  );
}

function valueOf(text: string, name: string): unknown {
  try {
    return JSON.parse(text);
  } catch (whole) {
    try {
      return text
        .split("\n")
        .filter((line) => line.trim() !== "")
        .map((line): unknown => JSON.parse(line));
    } catch {
      throw new PerfoptError(
        "bad-input",
        `${name} is not JSON: ${messageOf(whole)}`,
        "give one JSON value, or one object a line",
      );
    }
  }
}

/** Deeper than any export nests its rows. */
const DEPTH_MAX = 4;

/** Objects that may be statements: those of the array, or of the first array inside that has any. */
function itemsOf(value: unknown, depth = 0): readonly object[] {
  if (typeof value !== "object" || value === null || depth > DEPTH_MAX) return [];
  if (Array.isArray(value)) {
    return value.flatMap((each: unknown) =>
      Array.isArray(each) ? itemsOf(each, depth + 1) : isObject(each) ? [each] : [],
    );
  }
  if (planOf(value) || queryOf(value)) return [value];
  return Object.values(value).flatMap((each) => itemsOf(each, depth + 1));
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

/** Names that exports give to the same thing, lower case without separators: pg_stat_statements first, then other tools. */
const TEXT = ["query", "normalizedquery", "querytext", "sql", "sqltext", "statement"];
const ID = ["queryid", "id", "fingerprint", "queryhash", "hash", "name"];
const CALLS = ["calls", "callcount", "count", "executions", "executioncount"];
const TOTAL = [
  "totalexectime",
  "totaltime",
  "totalms",
  "totaltimems",
  "totalduration",
  "totaldurationms",
];
const MEAN = [
  "meanexectime",
  "meantime",
  "meanms",
  "avgtime",
  "avgms",
  "averagetime",
  "avgduration",
  "meantimems",
];
const ROWS = ["rows", "rowcount", "totalrows"];

function queryOf(item: object): Observed | undefined {
  const fields = new Map<string, unknown>();
  for (const [key, value] of Object.entries(item)) {
    const plain = key.toLowerCase().replaceAll(/[^a-z]/g, "");
    if (!fields.has(plain)) fields.set(plain, value);
  }
  const sql = first(fields, TEXT);
  if (typeof sql !== "string" || sql.trim() === "") return undefined;
  const id = first(fields, ID);
  const calls = numeric(first(fields, CALLS));
  const rows = numeric(first(fields, ROWS));
  const mean = numeric(first(fields, MEAN));
  const totalMs =
    numeric(first(fields, TOTAL)) ?? (mean === undefined ? undefined : mean * (calls ?? 1));
  return {
    sql,
    ...(typeof id === "string" || typeof id === "number" ? { id: String(id) } : {}),
    ...(calls === undefined ? {} : { calls }),
    ...(totalMs === undefined ? {} : { totalMs }),
    ...(rows === undefined ? {} : { rows }),
  };
}

function first(fields: ReadonlyMap<string, unknown>, names: readonly string[]): unknown {
  return names.map((name) => fields.get(name)).find((each) => each !== undefined && each !== null);
}

/** Exports write bigints as text. */
function numeric(value: unknown): number | undefined {
  const number = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
  return typeof number === "number" && Number.isFinite(number) && number >= 0 ? number : undefined;
}
