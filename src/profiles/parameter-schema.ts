/** The schema of parameters: where the rows come from that fill placeholders, and how they are drawn. */
import { resolve } from "node:path";
import { z } from "zod";
import type { Parameter, Row } from "../core/workload.ts";
import * as field from "./fields.ts";

const SOURCES = ["sql", "csv", "values", "int", "float", "unique"] as const;
const ROWS_MAX = 1_000_000;

/** `folder`: what the path of a CSV file is relative to. */
export function parameter(folder: string) {
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
        .describe("The most rows to take: of sql 1000 by default, of csv all."),
      csv: field
        .text()
        .exactOptional()
        .describe(
          "A CSV file whose first line names the columns, relative to this file's folder. A column of numbers gives numbers.",
        ),
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
      if (input.limit !== undefined && input.sql === undefined && input.csv === undefined) {
        const message = "expected limit beside sql or csv only";
        context.addIssue({ code: "custom", path: ["limit"], message });
      }
      if (
        input.draw?.startsWith("zipf") &&
        (input.float !== undefined || input.unique !== undefined)
      ) {
        const message = `expected uniform for ${given.join("")}, which has no ranks`;
        context.addIssue({ code: "custom", path: ["draw"], message });
      }
      const source = sourceOf(input, folder, context);
      return source === undefined ? z.NEVER : { source, distribution: distributionOf(input.draw) };
    });
}

interface SourceInput {
  readonly sql?: string;
  readonly csv?: string;
  readonly limit?: number;
  readonly values?: readonly (string | number | boolean | null | Row)[];
  readonly int?: { readonly min: number; readonly max: number };
  readonly float?: { readonly min: number; readonly max: number };
  readonly unique?: string;
}

function sourceOf(
  input: SourceInput,
  folder: string,
  context: z.RefinementCtx,
): Parameter["source"] | undefined {
  if (input.sql !== undefined) {
    const query = input.sql.trim().replace(/;$/, "");
    if (!/^(?:select|with|values|table)\b/i.test(query)) {
      const message = "expected a query that begins with SELECT, WITH, VALUES or TABLE";
      context.addIssue({ code: "custom", path: ["sql"], message });
    }
    return { kind: "sql", query, limit: input.limit ?? 1000 };
  }
  if (input.csv !== undefined) {
    return { kind: "csv", path: resolve(folder, input.csv), limit: input.limit ?? ROWS_MAX };
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
