/** What a log entry says of a statement: that it ran for so long, that it begins, that one ended. */
import { readLoggedPlan, readValues } from "./auto-explain.ts";
import type { LogEntry } from "./log-entries.ts";

export type LogEvent =
  | {
      readonly kind: "ran";
      readonly sql: string;
      readonly ms: number;
      readonly values?: readonly (string | null)[];
      readonly rows?: number;
      readonly reported: "duration" | "plan";
    }
  /** By log_statement; its time comes in an entry of its own. */
  | {
      readonly kind: "began";
      readonly sql: string;
      readonly values?: readonly (string | null)[];
    }
  | { readonly kind: "ended"; readonly ms: number };

const DURATION = /^duration: (\d+(?:\.\d+)?) ms(?:\s+(?=\S)|$)/;
/** `fetch from` is how a portal that is read in pieces goes on. Names of prepared statements have any character. */
const STATEMENT = /^(?:statement|execute (?:fetch from )?.*?): /s;
const NOT_RUN = /^(?:parse|bind) /;

/** Undefined for entries about anything else. */
export function readMessage(entry: Pick<LogEntry, "message" | "detail">): LogEvent | undefined {
  const duration = DURATION.exec(entry.message);
  const rest = duration ? entry.message.slice(duration[0].length) : entry.message;
  const ms = duration ? Number(duration[1]) : undefined;
  if (ms !== undefined) {
    if (rest === "") return { kind: "ended", ms };
    if (rest.startsWith("plan:")) return ranPlan(rest.slice("plan:".length).trimStart(), ms);
    if (NOT_RUN.test(rest)) return undefined;
  }
  const head = STATEMENT.exec(rest);
  if (!head) return undefined;
  const prepared = preparedText(entry.detail);
  const values = prepared === undefined ? valuesOf(entry.detail) : undefined;
  const said = {
    sql: prepared ?? rest.slice(head[0].length),
    ...(values === undefined ? {} : { values }),
  };
  return ms === undefined
    ? { kind: "began", ...said }
    : { kind: "ran", ...said, ms, reported: "duration" };
}

/** `EXECUTE name(...)` in SQL: the detail has what was prepared. */
function preparedText(detail: string | undefined): string | undefined {
  return detail?.startsWith("prepare: ") === true ? detail.slice("prepare: ".length) : undefined;
}

const PARAMETERS = /^parameters: /i;

function valuesOf(detail: string | undefined): readonly (string | null)[] | undefined {
  const head = detail === undefined ? null : PARAMETERS.exec(detail);
  return detail === undefined || !head ? undefined : readValues(detail, head[0].length);
}

function ranPlan(text: string, ms: number): LogEvent | undefined {
  const plan = readLoggedPlan(text);
  if (!plan) return undefined;
  return {
    kind: "ran",
    sql: plan.sql,
    ms,
    reported: "plan",
    ...(plan.values === undefined ? {} : { values: plan.values }),
    ...(plan.rows === undefined ? {} : { rows: plan.rows }),
  };
}
