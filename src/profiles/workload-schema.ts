/** The schema of workloads: parameters, and the requests whose placeholders they fill. */
import { z } from "zod";
import type {
  Json,
  Parameter,
  RequestTemplate,
  Row,
  WorkloadDefinition,
} from "../core/workload.ts";
import * as field from "./fields.ts";
import { checkPlaceholders } from "./placeholders.ts";

/** A map from name to workload becomes the list of workloads, in the file's order. */
export function workloads() {
  return z
    .record(field.name(), workload())
    .refine((byName) => Object.keys(byName).length > 0, { error: "expected at least one workload" })
    .transform((byName): readonly WorkloadDefinition[] =>
      Object.entries(byName).map(([name, each]) => ({ name, ...each })),
    );
}

function workload() {
  return z
    .strictObject({
      parameters: z
        .record(field.key(), parameter())
        .default({})
        .transform((byName): readonly Parameter[] =>
          Object.entries(byName).map(([name, each]) => ({ name, ...each })),
        )
        .describe(
          "What fills the placeholders ${name.column} of the requests. A request draws each once.",
        ),
      requests: z.array(request()).min(1).describe("The mix of requests."),
    })
    .transform(field.checked(checkWorkload))
    .transform(({ parameters, requests }) => ({ parameters, requests: requests.map(toTemplate) }));
}

const RESERVED = ["index", "env"];
const SOURCES = ["sql", "values", "int", "float", "unique"] as const;
const ROWS_MAX = 1_000_000;

function parameter() {
  return z
    .strictObject({
      sql: field
        .text()
        .exactOptional()
        .describe(
          "One read-only query on the target's database, the most popular row first; run once, before the load.",
        ),
      limit: z
        .int()
        .min(1)
        .max(ROWS_MAX)
        .exactOptional()
        .describe("The most rows to take of sql, 1000 by default."),
      values: z
        .array(z.union([plain(), z.record(field.key(), plain())]))
        .min(1)
        .exactOptional()
        .describe("A list of values, or of rows with the same columns; the most popular first."),
      int: range(z.int()).exactOptional().describe("A whole number from min to max."),
      float: range(z.number()).exactOptional().describe("A number from min to max."),
      unique: z
        .string()
        .exactOptional()
        .describe(
          "A text that no other draw of the run has, with this prefix: for names that are created.",
        ),
      draw: z
        .string()
        .regex(/^(?:uniform|zipf\(\d+(?:\.\d+)?\))$/, {
          error: "expected uniform, or zipf with its exponent such as zipf(1.0)",
        })
        .exactOptional()
        .describe(
          "How rows are chosen: uniform (the default) or zipf(1.0), where row k has the weight 1 / k^1.0.",
        ),
    })
    .transform((input, context): Omit<Parameter, "name"> => {
      const given = SOURCES.filter((source) => input[source] !== undefined);
      if (given.length !== 1) {
        const found = given.length === 0 ? "none" : given.join(" and ");
        context.addIssue(`expected one of ${SOURCES.join(", ")}, found ${found}`);
        return z.NEVER;
      }
      if (input.limit !== undefined && input.sql === undefined) {
        context.addIssue({
          code: "custom",
          path: ["limit"],
          message: "expected limit beside sql only",
        });
      }
      if (
        input.draw?.startsWith("zipf") &&
        (input.float !== undefined || input.unique !== undefined)
      ) {
        const message = `expected uniform for ${given.join("")}, which has no ranks`;
        context.addIssue({ code: "custom", path: ["draw"], message });
      }
      const source = sourceOf(input, context);
      return source === undefined ? z.NEVER : { source, distribution: distributionOf(input.draw) };
    });
}

interface SourceInput {
  readonly sql?: string;
  readonly limit?: number;
  readonly values?: readonly (string | number | boolean | null | Row)[];
  readonly int?: { readonly min: number; readonly max: number };
  readonly float?: { readonly min: number; readonly max: number };
  readonly unique?: string;
}

function sourceOf(input: SourceInput, context: z.RefinementCtx): Parameter["source"] | undefined {
  if (input.sql !== undefined) {
    const query = input.sql.trim().replace(/;$/, "");
    if (!/^(?:select|with|values|table)\b/i.test(query)) {
      const message = "expected a query that begins with SELECT, WITH, VALUES or TABLE";
      context.addIssue({ code: "custom", path: ["sql"], message });
    }
    return { kind: "sql", query, limit: input.limit ?? 1000 };
  }
  if (input.values !== undefined) return { kind: "values", rows: rowsOf(input.values, context) };
  if (input.int !== undefined) return { kind: "int", ...input.int };
  if (input.float !== undefined) return { kind: "float", ...input.float };
  return input.unique === undefined ? undefined : { kind: "unique", prefix: input.unique };
}

function rowsOf(
  values: NonNullable<SourceInput["values"]>,
  context: z.RefinementCtx,
): readonly Row[] {
  const rows = values.map((value) =>
    typeof value === "object" && value !== null ? value : { value },
  );
  const columns = Object.keys(rows[0] ?? {})
    .toSorted()
    .join(", ");
  rows.forEach((row, index) => {
    const own = Object.keys(row).toSorted().join(", ");
    if (own === columns) return;
    const message = `expected the columns ${columns} as in the first row, found ${own}`;
    context.addIssue({ code: "custom", path: ["values", index], message });
  });
  return rows;
}

function distributionOf(draw: string | undefined): Parameter["distribution"] {
  const exponent = /^zipf\((.*)\)$/.exec(draw ?? "")?.[1];
  return exponent === undefined
    ? { kind: "uniform" }
    : { kind: "zipf", exponent: Number(exponent) };
}

function range(number: z.ZodNumber | z.ZodInt) {
  return z
    .strictObject({
      min: number.describe("The least value."),
      max: number.describe("The greatest value."),
    })
    .refine(({ min, max }) => min <= max, {
      path: ["max"],
      error: "expected a max of at least the min",
    });
}

function plain() {
  return z.union([z.string(), z.number(), z.boolean(), z.null()], {
    error: "expected text, a number, true, false or null",
  });
}

function request() {
  return z
    .strictObject({
      name: field.name().describe("The request's name in reports."),
      weight: z.number().positive().describe("How often it is sent, relative to the others."),
      method: z
        .enum(["GET", "POST", "PUT", "PATCH", "DELETE"])
        .default("GET")
        .describe("The HTTP method."),
      path: z
        .string()
        .regex(/^\/\S*$/, {
          error: "expected a path that begins with / and has no spaces (query takes any text)",
        })
        .describe("The path; values of placeholders are percent-encoded."),
      query: z
        .record(z.string(), z.union([field.scalar(), z.array(field.scalar())]))
        .default({})
        .describe("Query parameters as plain text, encoded by perfopt; a list repeats its key."),
      headers: z
        .record(z.string(), z.string())
        .default({})
        .describe("Headers beside content-type, which perfopt sets for a body."),
      body: z
        .unknown()
        .exactOptional()
        .describe(
          "JSON. A text that is exactly one placeholder becomes the value in its own type; { $repeat: 10, item: ... } becomes a list of 10 items, each drawn anew.",
        ),
      expect: z
        .array(z.int().min(100).max(599))
        .default([])
        .describe("Status codes that count as success; 200 to 299 when absent."),
    })
    .superRefine(({ method, body }, context) => {
      if (method !== "GET" || body === undefined) return;
      context.addIssue({
        code: "custom",
        path: ["body"],
        message: "expected no body in a GET request",
      });
    });
}

type RequestInput = z.output<ReturnType<typeof request>>;

function checkWorkload(
  input: { readonly parameters: readonly Parameter[]; readonly requests: readonly RequestInput[] },
  context: z.RefinementCtx,
): void {
  for (const { name } of input.parameters) {
    if (!RESERVED.includes(name)) continue;
    const message = `expected another name, found "${name}", which placeholders use already`;
    context.addIssue({ code: "custom", path: ["parameters", name], message });
  }
  input.requests.forEach((each, index, all) => {
    if (all.findIndex(({ name }) => name === each.name) !== index) {
      const message = `expected a name of its own, found "${each.name}" again`;
      context.addIssue({ code: "custom", path: ["requests", index, "name"], message });
    }
    for (const part of ["path", "query", "headers", "body"] as const) {
      checkPlaceholders(each[part], input.parameters, (path, message) => {
        context.addIssue({ code: "custom", path: ["requests", index, part, ...path], message });
      });
    }
  });
}

function toTemplate({ query, body, ...rest }: RequestInput): RequestTemplate {
  return {
    ...rest,
    path: withQuery(rest.path, query),
    ...(isJson(body) && { body }),
  };
}

/** YAML data is JSON but for numbers that JSON lacks, which checkPlaceholders has refused; here only the type is narrowed. */
function isJson(value: unknown): value is Json {
  return value !== undefined;
}

function withQuery(path: string, query: RequestInput["query"]): string {
  const pairs = Object.entries(query).flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [value]).map(
      (each) => `${encodeURIComponent(name)}=${encodeAround(String(each))}`,
    ),
  );
  if (pairs.length === 0) return path;
  return `${path}${path.includes("?") ? "&" : "?"}${pairs.join("&")}`;
}

/** Percent-encodes all but the placeholders, whose values are encoded when they are filled in. */
function encodeAround(value: string): string {
  return value
    .split(/(\$\{[^{}]*\})/)
    .map((part, index) => (index % 2 === 1 ? part : encodeURIComponent(part)))
    .join("");
}
