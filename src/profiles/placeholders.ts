/** Finds the placeholders of a request that nothing can fill, before a load engine meets them. */
import type { Parameter } from "../core/workload.ts";
import { suggestion } from "./suggest.ts";

type Report = (path: readonly PropertyKey[], message: string) => void;

/** What some step of a request's session takes from its answer. */
export interface Captured {
  readonly name: string;
  /** The step's name. */
  readonly by: string;
  /** Whether that step comes before the request. */
  readonly before: boolean;
}

interface Known {
  readonly parameters: readonly Parameter[];
  readonly captured: readonly Captured[];
  /** Whether `${index}` counts in all of it: the item of a task's lines. */
  readonly repeated?: boolean;
}

/** Walks a path, a query, headers, a body or a line's item; reports each problem with its path inside of `value`. */
export function checkPlaceholders(value: unknown, known: Known, report: Report): void {
  walk(value, { repeated: false, ...known, report }, []);
}

/** What a `${...}` in other texts may be, for example in the service's environment. */
export function unknownPlaceholders(
  text: string,
  known: readonly string[],
  report: (message: string) => void,
): void {
  for (const reference of references(text, report)) {
    if (known.includes(reference)) continue;
    report(
      `expected one of ${known.map((name) => `\${${name}}`).join(", ")}, found \${${reference}}${suggestion(reference, known)}`,
    );
  }
}

interface Scope extends Known {
  readonly report: Report;
  /** Inside of an `item`, where `${index}` counts. */
  readonly repeated: boolean;
}

function walk(value: unknown, scope: Scope, path: readonly PropertyKey[]): void {
  if (typeof value === "string") {
    for (const reference of references(value, (message) => scope.report(path, message))) {
      const problem = referenceProblem(reference, scope);
      if (problem !== undefined) scope.report(path, problem);
    }
  } else if (Array.isArray(value)) {
    value.forEach((item, index) => walk(item, scope, [...path, index]));
  } else if (typeof value === "object" && value !== null) {
    if ("$repeat" in value) walkRepeat(value, scope, path);
    else for (const [key, item] of Object.entries(value)) walk(item, scope, [...path, key]);
  } else if (typeof value === "bigint" || (typeof value === "number" && !Number.isFinite(value))) {
    scope.report(path, "expected a number that JSON can hold");
  }
}

const REPEAT_MAX = 10_000;

function walkRepeat(value: object, scope: Scope, path: readonly PropertyKey[]): void {
  const { $repeat: count, item, ...rest }: Readonly<Record<string, unknown>> = { ...value };
  if (typeof count !== "number" || !Number.isInteger(count) || count < 0 || count > REPEAT_MAX) {
    scope.report([...path, "$repeat"], `expected a whole number from 0 to ${REPEAT_MAX}`);
  }
  if (item === undefined) scope.report(path, "expected item beside $repeat, found none");
  for (const key of Object.keys(rest)) {
    scope.report([...path, key], `expected only $repeat and item, found the unknown key "${key}"`);
  }
  walk(item, { ...scope, repeated: true }, [...path, "item"]);
}

function references(text: string, report: (message: string) => void): string[] {
  const found = [...text.matchAll(/\$\{([^{}]*)\}/g)].map((match) => match[1] ?? "");
  if (/\$\{(?![^{}]*\})/.test(text)) report("expected every ${ to be closed by }");
  return found;
}

function referenceProblem(reference: string, scope: Scope): string | undefined {
  if (reference === "index") {
    return scope.repeated ? undefined : "expected ${index} inside the item of a $repeat only";
  }
  const [name = "", ...columns] = reference.split(".");
  const parameter = scope.parameters.find((each) => each.name === name);
  if (parameter) return columnProblem(parameter, columns.join("."), reference);
  const captures = scope.captured.filter((each) => each.name === name);
  if (captures.length > 0) return captureProblem(captures, reference);
  const known = scope.parameters.map((each) => each.name);
  const before = scope.captured.filter((each) => each.before).map((each) => each.name);
  const expected =
    known.length === 0 ? "no placeholder, as there are no parameters" : known.join(", ");
  const captured =
    before.length === 0 ? "" : ` or what an earlier step captures (${before.join(", ")})`;
  return `expected a parameter of this workload (${expected})${captured}, found \${${reference}}${suggestion(name, [...known, ...before])}`;
}

function captureProblem(captures: readonly Captured[], reference: string): string | undefined {
  const [{ name, by } = { name: "", by: "" }] = captures;
  if (reference !== name) {
    return `expected \${${name}}, which is a single value, found \${${reference}}`;
  }
  return captures.some((each) => each.before)
    ? undefined
    : `expected \${${name}} only in steps after ${by}, whose answer it is captured from, found it before`;
}

function columnProblem(
  { name, source }: Parameter,
  column: string,
  reference: string,
): string | undefined {
  // The columns are known only to the database, or to the file.
  if (source.kind === "sql" || source.kind === "csv") return undefined;
  if (source.kind === "values") {
    const known = Object.keys(source.rows[0] ?? {});
    if (column === "" ? known.length === 1 : known.includes(column)) return undefined;
    const forms = known.map((each) => `\${${name}.${each}}`).join(", ");
    return `expected one of ${forms}, found \${${reference}}${suggestion(column, known)}`;
  }
  return column === ""
    ? undefined
    : `expected \${${name}}, which is a single value, found \${${reference}}`;
}
