/** Reads a trace from JSON Lines: one object a line, with the names that a CSV header may have. */
import { GET, OUTCOME_HIT, OUTCOME_MISS } from "../../../core/cache-trace.ts";
import { messageOf, PerfoptError } from "../../../core/errors.ts";
import { createLineReader, textAt } from "./bytes.ts";
import type { RowParser } from "./csv.ts";
import { fieldOf, guessTimeUnit, unitWord, UNIT_MS, type Field, type TimeUnit } from "./fields.ts";
import { operationOf, type RowSink, type TraceRow } from "./rows.ts";

const HINT =
  'write one object a line, like {"time":1700000000000,"key":"...","size":120,"op":"get"}; time and key are needed';

type Values = Partial<Record<Field["kind"], unknown>>;

/** Times are of one unit in the whole file: what the first one's name or size says. */
interface Units {
  time: TimeUnit;
  ttl: TimeUnit;
  cost: TimeUnit;
}

export function createJsonlParser(name: string, onRow: RowSink): RowParser {
  const caveats: string[] = [];
  const fields = new Map<string, Field>();
  let units: Units | undefined;
  const where = (): string => `${name}, line ${reader.lineNumber()}`;
  const reader = createLineReader(
    (bytes, from, to) => {
      const text = textAt(bytes, from, to).trim();
      if (text === "" || text.startsWith("#")) return true;
      const values = valuesOf(parse(text, where), fields);
      const time = numberOf(values.time, "time", where);
      if (time === undefined) fail(`${where()}: it has no time`);
      units ??= unitsOf(time, fields, caveats);
      return onRow(rowOf(values, time, units, where)) !== false;
    },
    () => fail(`${where()}: the line is too long to be a row`),
  );
  return {
    push: (chunk) => reader.push(chunk),
    end: () => {
      reader.end();
      return { caveats };
    },
  };
}

function parse(text: string, where: () => string): object {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    // The parser's message quotes the line, which has the key.
    const message = messageOf(error).replaceAll(/"[^]*"/g, "...");
    fail(`${where()}: it is not JSON (${message.split(",")[0] ?? message})`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    fail(`${where()}: it is not an object`);
  }
  return value;
}

function valuesOf(object: object, fields: Map<string, Field>): Values {
  const values: Values = {};
  for (const [name, value] of Object.entries(object)) {
    let field = fields.get(name);
    if (!field) {
      field = fieldOf(name);
      if (fields.size < 1_000) fields.set(name, field);
    }
    if (value !== null) values[field.kind] ??= value;
  }
  return values;
}

function unitsOf(time: number, fields: ReadonlyMap<string, Field>, caveats: string[]): Units {
  const named = (kind: Field["kind"]): TimeUnit | undefined =>
    [...fields.values()].find((field) => field.kind === kind)?.unit;
  const unit = named("time");
  const guess = unit ? { unit, sure: true } : guessTimeUnit(time);
  if (!guess.sure) {
    caveats.push(
      `Its times do not say their unit: taken as ${unitWord(guess.unit)}. Name the field time_ms or time_us if that is wrong.`,
    );
  }
  return {
    time: guess.unit,
    ttl: named("ttl") ?? (guess.unit === "ms" ? "ms" : "s"),
    cost: named("cost") ?? "ms",
  };
}

function rowOf(values: Values, time: number, units: Units, where: () => string): TraceRow {
  const { key } = values;
  if ((typeof key !== "string" && typeof key !== "number") || key === "") {
    fail(`${where()}: it has no key`);
  }
  const size = numberOf(values.size, "size", where) ?? 0;
  if (size < 0) fail(`${where()}: the size is ${size}: leave it out where it is not known`);
  const ttl = numberOf(values.ttl, "ttl", where);
  const cost = numberOf(values.cost, "cost", where);
  return {
    timeMs: time * UNIT_MS[units.time],
    keyText: String(key),
    operation: operation(values.op, where),
    valueBytes: size,
    ttlMs: ttl === undefined ? undefined : Math.max(0, ttl) * UNIT_MS[units.ttl],
    costMs: cost === undefined ? undefined : cost * UNIT_MS[units.cost],
    outcome: outcomeOf(values.outcome),
    process: numberOf(values.process, "process", where),
    keyBytes: numberOf(values.keyBytes, "keyBytes", where),
    ...(typeof values.prefix === "string" ? { prefix: values.prefix } : {}),
  };
}

function operation(value: unknown, where: () => string): number {
  if (value === undefined) return GET;
  const found = typeof value === "string" ? operationOf(value) : undefined;
  return (
    found ?? fail(`${where()}: the operation is none of get, set, delete, write, load and expire`)
  );
}

function outcomeOf(value: unknown): number {
  if (value === true || value === 1 || value === "hit") return OUTCOME_HIT;
  return value === false || value === 0 || value === "miss" ? OUTCOME_MISS : 0;
}

function numberOf(value: unknown, what: string, where: () => string): number | undefined {
  if (value === undefined) return undefined;
  const number = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
  if (typeof number === "number" && Number.isFinite(number)) return number;
  return fail(`${where()}: the ${what} is not a number`);
}

function fail(message: string): never {
  throw new PerfoptError("bad-input", message, HINT);
}
