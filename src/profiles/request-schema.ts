/** The schema of one request, of a mix or of a session's step. */
import { z } from "zod";
import type { Json, RequestTemplate } from "../core/workload.ts";
import * as field from "./fields.ts";

/** A request of a mix. */
export function request() {
  return z
    .strictObject({
      ...parts(),
      weight: z.number().positive().describe("How often it is sent, relative to the others."),
    })
    .superRefine(noBodyInGet);
}

/** What every request has, in a mix or in a session. */
export function parts() {
  return {
    name: field.name().describe("The request's name in reports."),
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
    headers: field
      .headers()
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
  };
}

export type RequestInput = z.output<z.ZodObject<ReturnType<typeof parts>>>;

export function noBodyInGet(
  { method, body }: Pick<RequestInput, "method" | "body">,
  context: z.RefinementCtx,
): void {
  if (method !== "GET" || body === undefined) return;
  context.addIssue({
    code: "custom",
    path: ["body"],
    message: "expected no body in a GET request",
  });
}

export function toTemplate(
  { name, method, path, query, headers, body, expect }: RequestInput,
  weight: number,
): RequestTemplate {
  return {
    name,
    weight,
    method,
    path: withQuery(path, query),
    headers,
    expect,
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
