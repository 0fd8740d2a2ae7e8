/** Holds a source against a zod schema: the parsed value, or one error that lists every problem with its place. */
import { z } from "zod";
import { pathText, profileError, type Problem } from "./problems.ts";
import type { Source } from "./source.ts";
import { nearest, suggestion } from "./suggest.ts";

export function validate<T>(source: Source, schema: z.ZodType<T>): T {
  const result = schema.safeParse(source.value, { error: expectation });
  if (result.success) return result.data;
  const problems = result.error.issues.flatMap((issue) => problemsOf(issue, source));
  throw profileError(source.file, withoutMisspelt(problems, result.error.issues));
}

/** A misspelt key is missing under its right name too: one mistake, one problem. */
function withoutMisspelt(
  problems: readonly Problem[],
  issues: readonly z.core.$ZodIssue[],
): readonly Problem[] {
  const meant = issues.flatMap((issue) =>
    issue.code === "unrecognized_keys"
      ? issue.keys.map((key) =>
          pathText([...issue.path, nearest(key, issue.message.split(" ")) ?? key]),
        )
      : [],
  );
  return problems.filter(
    ({ path, message }) => !meant.includes(path) || !message.endsWith(", found nothing"),
  );
}

/** What zod expected, in words; schemas with their own words win over these. */
function expectation(issue: z.core.$ZodRawIssue): string | undefined {
  if (issue.code === "invalid_type") return `expected ${typeName(String(issue.expected))}`;
  if (issue.code === "invalid_value") {
    return `expected ${choice(issue.values.map(String), issue.input)}`;
  }
  if (issue.code === "too_small") {
    return `expected ${sizeName(issue.origin, issue.minimum, issue.inclusive ?? true, "least")}`;
  }
  if (issue.code === "too_big") {
    return `expected ${sizeName(issue.origin, issue.maximum, issue.inclusive ?? true, "most")}`;
  }
  return issue.code === "unrecognized_keys" ? knownKeys(issue.inst).join(" ") : undefined;
}

const TYPE_NAMES: Readonly<Record<string, string>> = {
  string: "text",
  object: "a map",
  record: "a map",
  array: "a list",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
};

function typeName(type: string): string {
  return TYPE_NAMES[type] ?? type;
}

/** Short lists are shown whole; of long ones only the nearest entry helps. */
const CHOICES_SHOWN_MAX = 12;

function choice(values: readonly string[], input: unknown): string {
  const near = typeof input === "string" ? nearest(input, values) : undefined;
  if (values.length > CHOICES_SHOWN_MAX && near !== undefined)
    return `a known name such as "${near}"`;
  return values.length === 1 ? `${values[0]}` : `one of ${values.join(", ")}`;
}

function sizeName(
  origin: string,
  limit: number | bigint,
  inclusive: boolean,
  word: "least" | "most",
): string {
  const plural = limit === 1 || limit === 1n ? "" : "s";
  if (origin === "string")
    return limit === 1 ? "text that is not empty" : `at ${word} ${limit} characters`;
  if (origin === "array") return `a list of at ${word} ${limit} item${plural}`;
  if (origin === "record" || origin === "object")
    return `a map of at ${word} ${limit} key${plural}`;
  if (inclusive) return `a number of at ${word} ${limit}`;
  return `a number ${word === "least" ? "above" : "below"} ${limit}`;
}

function knownKeys(schema: unknown): string[] {
  return schema instanceof z.ZodObject ? Object.keys(schema.shape) : [];
}

function problemsOf(issue: z.core.$ZodIssue, source: Source): Problem[] {
  if (issue.code === "unrecognized_keys") {
    // The expectation of this code is the list of the known keys: an issue has only its message to carry it.
    const known = issue.message.split(" ");
    return issue.keys.map((key) => unknownKey([...issue.path, key], key, known, source));
  }
  const path = pathText(issue.path);
  if (issue.code === "invalid_key") {
    const message = `${issue.issues[0]?.message ?? issue.message}, found ${JSON.stringify(issue.path.at(-1))}`;
    return [{ ...source.positionOfKey(issue.path), path, message }];
  }
  // Messages that do not speak of what was expected are whole already.
  const message = /^expected\b(?!.*, found\b)/s.test(issue.message)
    ? `${issue.message}, found ${source.found(issue.path)}`
    : issue.message;
  // A custom issue may be about a key rather than its value.
  const atKey = issue.code === "custom" && issue.params?.["at"] === "key";
  const position = atKey ? source.positionOfKey(issue.path) : source.positionOf(issue.path);
  return [{ ...position, path, message }];
}

function unknownKey(
  path: readonly PropertyKey[],
  key: string,
  known: readonly string[],
  source: Source,
): Problem {
  const expected = known.length === 0 ? "no keys" : `one of the keys ${known.join(", ")}`;
  return {
    ...source.positionOfKey(path),
    path: pathText(path),
    message: `expected ${expected}, found the unknown key "${key}"${suggestion(key, known)}`,
  };
}
