/** The schema of tasks: bulk work that is done beside a workload's requests, and the bodies of many lines that it sends. */
import { z } from "zod";
import type { Json, TaskTemplate } from "../core/workload.ts";
import * as field from "./fields.ts";
import { noBodyInGet, parts, toTemplate } from "./request-schema.ts";

export type TaskInput = z.output<ReturnType<typeof task>>;

/** A line of 100 bytes makes this 100 MB, which the load engine holds while it sends them. */
const LINES_MAX = 1_000_000;
const PER_WINDOW_MAX = 1_000;
const TIMEOUT_MS = 30_000;

export function task() {
  return z
    .strictObject({
      ...parts(),
      name: field.name().describe("The task's name, for `tasks` of a persona's strategy."),
      kind: z
        .enum(["ingest", "query", "report"])
        .describe(
          "What it is done for: ingest (records a second), query (an aggregate's time) or report (time and bytes of a large answer).",
        ),
      lines: lines()
        .exactOptional()
        .describe("In place of body: many records, one a line, each drawn anew."),
      records: z
        .int()
        .min(1)
        .exactOptional()
        .describe("Of an ingest with a body: how many records it carries."),
      perWindow: z
        .int()
        .min(1)
        .max(PER_WINDOW_MAX)
        .default(1)
        .describe("How often it is done in one window at most; 1 by default."),
      timeout: field
        .positiveDuration()
        .default(TIMEOUT_MS)
        .describe("How long it may take from its start to the last byte; 30s by default."),
    })
    .superRefine(noBodyInGet)
    .transform(field.checked(checkTask));
}

export function toTask({
  kind,
  lines: written,
  records = 0,
  perWindow,
  timeout,
  ...request
}: TaskInput): TaskTemplate {
  return {
    name: request.name,
    kind,
    request: toTemplate(request, 1),
    ...(written && { lines: written }),
    records: written?.count ?? records,
    perWindow,
    timeoutMs: timeout,
  };
}

function lines() {
  return z
    .strictObject({
      format: z
        .enum(["ndjson", "csv"])
        .describe("ndjson: a JSON object a line. csv: values, below a line of the item's keys."),
      count: z.int().min(1).max(LINES_MAX).describe("How many lines one body has."),
      item: z
        .record(z.string().min(1), z.unknown())
        .refine((item) => Object.keys(item).length > 0, {
          error: "expected at least one key with its value",
        })
        .describe(
          "What a line says, by key. Placeholders are drawn for each line; ${index} counts from 0. Of csv: texts, numbers, true or false.",
        ),
    })
    .transform(field.checked(checkItem))
    .transform(({ item, ...rest }) => ({ ...rest, item: jsonOf(item) }));
}

interface LinesInput {
  readonly format: "ndjson" | "csv";
  readonly item: Readonly<Record<string, unknown>>;
}

function checkItem({ format, item }: LinesInput, context: z.RefinementCtx): void {
  if (format === "ndjson") return;
  for (const [key, value] of Object.entries(item)) {
    if (["string", "number", "boolean"].includes(typeof value)) continue;
    const found = value === null ? "null" : Array.isArray(value) ? "a list" : "a mapping";
    context.addIssue({
      code: "custom",
      path: ["item", key],
      message: `expected text, a number, true or false in a line of CSV, found ${found}`,
    });
  }
}

/** As with bodies, what JSON lacks is refused with the placeholders; here only the type is narrowed. */
function jsonOf(item: Readonly<Record<string, unknown>>): Readonly<Record<string, Json>> {
  return Object.fromEntries(
    Object.entries(item).flatMap(([key, value]) => (isJson(value) ? [[key, value]] : [])),
  );
}

function isJson(value: unknown): value is Json {
  return value !== undefined;
}

interface CheckedTask {
  readonly kind: TaskTemplate["kind"];
  readonly method: string;
  readonly body?: unknown;
  readonly lines?: unknown;
  readonly records?: number;
}

function checkTask(input: CheckedTask, context: z.RefinementCtx): void {
  const report = (key: string, message: string): void => {
    context.addIssue({ code: "custom", path: key === "" ? [] : [key], message });
  };
  const { kind, method, body, records } = input;
  const hasLines = input.lines !== undefined;
  if (hasLines && !["POST", "PUT", "PATCH"].includes(method)) {
    report("lines", `expected POST, PUT or PATCH beside lines, found ${method}`);
  }
  if (hasLines && body !== undefined) report("lines", "expected one of body and lines, found both");
  if (kind === "ingest" && !hasLines && body === undefined) {
    report("", "expected lines or a body in an ingest, found neither");
  }
  const counted = kind === "ingest" && body !== undefined && !hasLines;
  if (counted && records === undefined) {
    report("", "expected records beside the body of an ingest, found none");
  }
  if (!counted && records !== undefined) {
    const found = hasLines ? "lines, which have their count" : "no such body";
    report("records", `expected records only beside the body of an ingest, found ${found}`);
  }
}
