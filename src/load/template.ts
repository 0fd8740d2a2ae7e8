/** Compiles request templates once, so that filling one for a request costs a few string joins. */
import { PerfoptError } from "../core/errors.ts";
import type { Json, RequestTemplate, Scalar, TaskTemplate } from "../core/workload.ts";
import type { Draw, Drawable } from "./draw.ts";

/** A request ready to be filled: `draw` draws its parameters' rows, which the three writers then share. */
export interface CompiledRequest {
  readonly draw: (values?: SessionValues) => Filling;
  readonly path: Write;
  /** Undefined when no header has a placeholder: `template.headers` can be sent as it is. */
  readonly headers: readonly (readonly [name: string, write: Write])[] | undefined;
  readonly body: Write | undefined;
}

/** The rows that one request, or one item of a `$repeat`, uses: one draw for each parameter it names. */
export interface Filling {
  readonly draws: readonly Draw[];
  readonly index: number;
  readonly session: SessionValues;
}

/** What the requests of one session share. */
export interface SessionValues {
  /** In the order of the scope's `shared`. */
  readonly draws: readonly Draw[];
  /** In the positions of the scope's `captures`. */
  readonly captured: readonly Scalar[];
}

/** What a step may refer to beside parameters that are drawn for it alone. */
export interface SessionScope {
  /** Parameters that are drawn once for the session, but not within a `$repeat`. */
  readonly shared: readonly string[];
  /** Names captured by earlier steps. */
  readonly captures: ReadonlyMap<string, number>;
}

type Write = (filling: Filling) => string;

/** Where a placeholder stands, for messages, and what it may refer to. */
interface Context {
  readonly request: string;
  readonly parameters: ReadonlyMap<string, Drawable>;
  readonly slots: Slots;
  readonly scope: SessionScope;
  readonly repeated: boolean;
}

/** Parameters in the order in which a request or item first names them: their draws' positions. */
type Slots = Map<string, { readonly position: number; readonly draw: () => Draw }>;

const PLACEHOLDER = /\$\{([^{}]*)\}/g;
const WHOLE_PLACEHOLDER = /^\$\{([^{}]*)\}$/;
const REPEAT_MAX = 10_000;
const NO_SCOPE: SessionScope = { shared: [], captures: new Map() };
const NO_VALUES: SessionValues = { draws: [], captured: [] };

export function compileTemplate(
  template: RequestTemplate,
  parameters: ReadonlyMap<string, Drawable>,
  scope: SessionScope = NO_SCOPE,
): CompiledRequest {
  const slots: Slots = new Map();
  const context: Context = { request: template.name, parameters, slots, scope, repeated: false };
  const path = writeText(template.path, context, (value) => encodeURIComponent(asText(value)));
  const entries = Object.entries(template.headers).map(
    ([name, text]) => [name, writeText(text, context, asText)] as const,
  );
  const constant = Object.values(template.headers).every((text) => !text.includes("${"));
  const body = template.body === undefined ? undefined : writeJson(template.body, context);
  const draw = drawAll(slots);
  return {
    draw: (values = NO_VALUES) => draw(0, values),
    path,
    headers: constant ? undefined : entries,
    body,
  };
}

/**
 * Of a task's lines: a text for each call, drawn anew, `${index}` being its argument. CSV is quoted where it has to be (RFC 4180), and
 * no value is an empty field.
 */
export function compileLine(
  task: string,
  { format, item }: Pick<NonNullable<TaskTemplate["lines"]>, "format" | "item">,
  parameters: ReadonlyMap<string, Drawable>,
): (index: number) => string {
  const slots: Slots = new Map();
  const context: Context = { request: task, parameters, slots, scope: NO_SCOPE, repeated: true };
  const write = format === "ndjson" ? writeJson(item, context) : writeFields(item, context);
  const draw = drawAll(slots);
  return (index) => write(draw(index, NO_VALUES));
}

function writeFields(item: Readonly<Record<string, Json>>, context: Context): Write {
  const fields = Object.values(item).map((value) => {
    const text = typeof value === "string" ? value : JSON.stringify(value);
    const whole = WHOLE_PLACEHOLDER.exec(text)?.[1];
    if (whole !== undefined) return writeValue(whole, context, (drawn) => csvField(asText(drawn)));
    const write = writeText(text, context, asText);
    return (filling: Filling) => csvField(write(filling));
  });
  return (filling) => fields.map((write) => write(filling)).join(",");
}

export function csvField(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** The parameters that a template names outside of every `$repeat`, and its captures: the part of a placeholder before the dot. */
export function namesIn(template: RequestTemplate): ReadonlySet<string> {
  const texts = [template.path, ...Object.values(template.headers)];
  const names = texts.flatMap(namesInJson);
  return new Set(template.body === undefined ? names : [...names, ...namesInJson(template.body)]);
}

function namesInJson(value: Json): readonly string[] {
  if (typeof value === "string") {
    return [...value.matchAll(PLACEHOLDER)].map(([, reference = ""]) => nameOf(reference));
  }
  if (value === null || typeof value !== "object") return [];
  if (isArray(value)) return value.flatMap(namesInJson);
  return "$repeat" in value ? [] : Object.values(value).flatMap(namesInJson);
}

function nameOf(reference: string): string {
  return reference.split(".", 1)[0] ?? "";
}

function drawAll(slots: Slots): (index: number, session: SessionValues) => Filling {
  const draws = [...slots.values()].map((slot) => slot.draw);
  return (index, session) => ({ draws: draws.map((draw) => draw()), index, session });
}

function writeText(text: string, context: Context, encode: (value: Scalar) => string): Write {
  const parts: (string | Write)[] = [];
  let end = 0;
  for (const match of text.matchAll(PLACEHOLDER)) {
    parts.push(text.slice(end, match.index), writeValue(match[1] ?? "", context, encode));
    end = match.index + match[0].length;
  }
  parts.push(text.slice(end));
  return joined(parts);
}

function writeJson(value: Json, context: Context): Write {
  return joined(jsonParts(value, context));
}

function jsonParts(value: Json, context: Context): (string | Write)[] {
  if (typeof value === "string") return [jsonString(value, context)];
  if (value === null || typeof value !== "object") return [JSON.stringify(value)];
  if (isArray(value))
    return separated(
      "[",
      value.map((each) => jsonParts(each, context)),
      "]",
    );
  if ("$repeat" in value) return [writeRepeat(value, context)];
  const members = Object.entries(value).map(([key, each]) => [
    `${JSON.stringify(key)}:`,
    ...jsonParts(each, context),
  ]);
  return separated("{", members, "}");
}

function jsonString(text: string, context: Context): string | Write {
  const whole = WHOLE_PLACEHOLDER.exec(text);
  if (whole) return writeValue(whole[1] ?? "", context, (value) => JSON.stringify(value));
  if (!text.includes("${")) return JSON.stringify(text);
  const inner = joined(
    splitPlaceholders(text).map((part) =>
      part.placeholder
        ? writeValue(part.text, context, (value) => insideQuotes(asText(value)))
        : insideQuotes(part.text),
    ),
  );
  return (filling) => `"${inner(filling)}"`;
}

function writeRepeat(value: Readonly<Record<string, Json>>, context: Context): Write {
  const { $repeat: count, item, ...rest } = value;
  const wrong = (problem: string): PerfoptError =>
    badTemplate(context.request, `$repeat ${problem}`, 'write { "$repeat": 10, "item": ... }');
  if (typeof count !== "number" || !Number.isInteger(count) || count < 0 || count > REPEAT_MAX) {
    throw wrong(`needs a whole number from 0 to ${REPEAT_MAX}, found ${JSON.stringify(count)}`);
  }
  if (item === undefined) throw wrong('has no "item"');
  const extra = Object.keys(rest);
  if (extra.length > 0) throw wrong(`has unknown members: ${extra.join(", ")}`);
  const slots: Slots = new Map();
  const write = writeJson(item, { ...context, slots, repeated: true });
  const draw = drawAll(slots);
  return ({ session }) => {
    const items: string[] = [];
    for (let index = 0; index < count; index += 1) items.push(write(draw(index, session)));
    return `[${items.join(",")}]`;
  };
}

function writeValue(reference: string, context: Context, encode: (value: Scalar) => string): Write {
  if (reference === "index") {
    if (context.repeated) return (filling) => encode(filling.index);
    throw badTemplate(
      context.request,
      "${index} stands outside a $repeat",
      "use it in an item only",
    );
  }
  const name = nameOf(reference);
  const asked = reference === name ? undefined : reference.slice(name.length + 1);
  const captured = context.scope.captures.get(name);
  if (captured !== undefined && asked === undefined) {
    return (filling) => encode(filling.session.captured[captured] ?? null);
  }
  const parameter = context.parameters.get(name);
  if (!parameter) {
    const known = [...context.parameters.keys(), ...context.scope.captures.keys()];
    throw badTemplate(
      context.request,
      `\${${reference}} names the parameter "${name}", which the workload lacks; it has: ${known.join(", ") || "none"}`,
      "correct the placeholder, or add the parameter",
    );
  }
  const column = columnOf(reference, asked, parameter, context);
  const read = parameter.reader(column, encode);
  const shared = context.repeated ? -1 : context.scope.shared.indexOf(name);
  if (shared >= 0) return (filling) => read(filling.session.draws[shared] ?? 0);
  const position = slotOf(context.slots, parameter);
  return (filling) => read(filling.draws[position] ?? 0);
}

function columnOf(
  reference: string,
  asked: string | undefined,
  parameter: Drawable,
  context: Context,
): string {
  const { columns, name } = parameter;
  const wrong = (problem: string): PerfoptError =>
    badTemplate(context.request, `\${${reference}}: ${problem}`, "correct the placeholder");
  if (columns === undefined) {
    if (asked !== undefined)
      throw wrong(`the parameter "${name}" is a single value, write \${${name}}`);
    return "";
  }
  if (asked === undefined) {
    const [only, ...more] = columns;
    if (only !== undefined && more.length === 0) return only;
    throw wrong(`the parameter "${name}" has several columns, name one of: ${columns.join(", ")}`);
  }
  if (columns.includes(asked)) return asked;
  throw wrong(`the parameter "${name}" has no column "${asked}"; it has: ${columns.join(", ")}`);
}

function slotOf(slots: Slots, parameter: Drawable): number {
  const known = slots.get(parameter.name);
  if (known) return known.position;
  const position = slots.size;
  slots.set(parameter.name, { position, draw: parameter.draw });
  return position;
}

function splitPlaceholders(text: string): { placeholder: boolean; text: string }[] {
  // split with one capture group puts the placeholders' names at the odd positions.
  return text
    .split(PLACEHOLDER)
    .map((part, index) => ({ placeholder: index % 2 === 1, text: part }));
}

function separated(
  open: string,
  groups: readonly (readonly (string | Write)[])[],
  close: string,
): (string | Write)[] {
  return [
    open,
    ...groups.flatMap((group, index) => (index === 0 ? group : [",", ...group])),
    close,
  ];
}

/** Neighbouring constants become one text, so that a template without placeholders costs nothing. */
function joined(parts: readonly (string | Write)[]): Write {
  const merged: (string | Write)[] = [];
  for (const part of parts) {
    const last = merged.at(-1);
    if (typeof part === "string" && typeof last === "string")
      merged[merged.length - 1] = last + part;
    else merged.push(part);
  }
  const [only] = merged;
  if (merged.length <= 1 && typeof only !== "function") return () => only ?? "";
  return (filling) => {
    let text = "";
    for (const part of merged) text += typeof part === "string" ? part : part(filling);
    return text;
  };
}

function isArray(
  value: readonly Json[] | { readonly [key: string]: Json },
): value is readonly Json[] {
  return Array.isArray(value);
}

/** In a path, a header or within a longer text, no value is no text. */
function asText(value: Scalar): string {
  return value === null ? "" : String(value);
}

function insideQuotes(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}

function badTemplate(request: string, problem: string, hint: string): PerfoptError {
  return new PerfoptError(
    "bad-input",
    `request "${request}": ${problem}`,
    `${hint}, in the target file's workload`,
  );
}
