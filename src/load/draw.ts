/** Draws parameters for requests from a seed: rows, numbers and unique texts, uniform or zipf. */
import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { PerfoptError } from "../core/errors.ts";
import type { Parameter, ParameterData, Row, Scalar } from "../core/workload.ts";

/** What one draw of a parameter gave: the row's position for rows, the value itself for the other kinds. */
export type Draw = number | string;

export interface Drawable {
  readonly name: string;
  readonly draw: () => Draw;
  /** The names of its columns; undefined when the parameter is a single value. */
  readonly columns: readonly string[] | undefined;
  /** How a drawn value is written: `encode` is applied once per row here, not once per request. */
  readonly reader: (column: string, encode: (value: Scalar) => string) => (draw: Draw) => string;
}

/** From 0 to just under 1. */
export type Uniform = () => number;

/** What draws are made from. */
export interface Stream {
  readonly uniform: Uniform;
  /** A text that no other stream of the run gives with this prefix, and this one only once. */
  readonly uniqueText: (prefix: string) => string;
}

/** Keeps what tasks draw apart from what sessions do. */
const TASK_STREAM = 0x7461736b;
/** A zipf over more whole numbers than this would need a table larger than a load generator should hold. */
const ZIPF_RANKS_MAX = 1_000_000;

export function drawables(
  parameters: readonly Parameter[],
  data: ParameterData,
  { uniform, uniqueText }: Stream,
): ReadonlyMap<string, Drawable> {
  const byName = new Map<string, Drawable>();
  for (const parameter of parameters) {
    byName.set(parameter.name, drawable(parameter, data, uniform, uniqueText));
  }
  return byName;
}

export function uniformFrom(seed: number): Uniform {
  const generator = xoroshiro128plus(seed | 0);
  return () => uniformFloat64(generator);
}

/** The stream of independent requests. */
export function streamOf(seed: number): Stream {
  return { uniform: uniformFrom(seed), uniqueText: uniqueTexts(seedText(seed)) };
}

/** Of the session with this number: what it draws does not depend on how far the others are. */
export function sessionStream(seed: number, session: number): Stream {
  // The width keeps session 1's 23rd text apart from session 12's third.
  const tag = `${seedText(seed)}${session.toString(36).padStart(6, "0")}`;
  return { uniform: uniformFrom(sessionSeed(seed, session)), uniqueText: uniqueTexts(tag) };
}

/**
 * Of a workload's task, by its position: its bodies depend neither on the requests nor on which other tasks are done. The letter keeps its
 * texts apart from those of requests and sessions, whose tags begin with the digits of a 32-bit seed.
 */
export function taskStream(seed: number, task: number): Stream {
  const tag = `t${seedText(seed)}${task.toString(36).padStart(2, "0")}`;
  return {
    uniform: uniformFrom(sessionSeed(seed ^ TASK_STREAM, task)),
    uniqueText: uniqueTexts(tag),
  };
}

/** Different for all sessions of a seed: an odd factor and the finalizer of MurmurHash3 (Appleby, 2011) lose no bits. */
function sessionSeed(seed: number, session: number): number {
  let bits = (seed + Math.imul(session + 1, 0x9e3779b1)) | 0;
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return bits ^ (bits >>> 16);
}

/** Position k with a probability in proportion to weights[k]; the weights are summed once. */
export function weightedIndex(weights: ArrayLike<number>, uniform: Uniform): () => number {
  const cumulative = new Float64Array(weights.length);
  let total = 0;
  for (let index = 0; index < weights.length; index += 1) {
    total += weights[index] ?? 0;
    cumulative[index] = total;
  }
  return () => firstAbove(cumulative, uniform() * total);
}

function drawable(
  parameter: Parameter,
  data: ParameterData,
  uniform: Uniform,
  uniqueText: (prefix: string) => string,
): Drawable {
  const { name, source } = parameter;
  switch (source.kind) {
    case "sql":
    case "csv":
      return rowsDrawable(parameter, data[name], uniform);
    case "values":
      return rowsDrawable(parameter, source.rows, uniform);
    case "int": {
      const count = source.max - source.min + 1;
      const rank = rankDraw(parameter, count, uniform);
      return single(name, () => source.min + rank());
    }
    case "float":
      if (parameter.distribution.kind !== "uniform") {
        throw badParameter(
          name,
          "is a float, which has no ranks for zipf; floats are drawn uniformly",
        );
      }
      return single(name, () => source.min + uniform() * (source.max - source.min));
    case "unique":
      return single(name, () => uniqueText(source.prefix));
  }
}

function rowsDrawable(
  parameter: Parameter,
  rows: readonly Row[] | undefined,
  uniform: Uniform,
): Drawable {
  const { name } = parameter;
  if (!rows || rows.length === 0) {
    throw badParameter(
      name,
      rows ? "has no rows" : "has no rows loaded",
      "seed the target, or check the parameter's query",
    );
  }
  return {
    name,
    draw: rankDraw(parameter, rows.length, uniform),
    columns: Object.keys(rows[0] ?? {}),
    reader: (column, encode) => {
      const texts = rows.map((row, index) => {
        const value = row[column];
        if (value === undefined) {
          throw badParameter(name, `lacks the column "${column}" in row ${index + 1}`);
        }
        return encode(value);
      });
      return (draw) => texts[Number(draw)] ?? "";
    },
  };
}

function single(name: string, draw: () => Draw): Drawable {
  return { name, draw, columns: undefined, reader: (_column, encode) => (drawn) => encode(drawn) };
}

function rankDraw(parameter: Parameter, count: number, uniform: Uniform): () => number {
  if (!Number.isSafeInteger(count) || count < 1) {
    throw badParameter(parameter.name, "needs whole numbers with min at or below max");
  }
  if (parameter.distribution.kind === "uniform") return () => Math.floor(uniform() * count);
  if (count > ZIPF_RANKS_MAX) {
    throw badParameter(parameter.name, `asks for zipf over more than ${ZIPF_RANKS_MAX} values`);
  }
  const { exponent } = parameter.distribution;
  if (!Number.isFinite(exponent) || exponent < 0) {
    throw badParameter(parameter.name, `has the zipf exponent ${exponent}; it must be 0 or more`);
  }
  const weights = new Float64Array(count);
  for (let rank = 0; rank < count; rank += 1) weights[rank] = (rank + 1) ** -exponent;
  return weightedIndex(weights, uniform);
}

/** Padded: two draws of a run, or of two seeds, are never equal under one prefix. */
function seedText(seed: number): string {
  return (seed >>> 0).toString(36).padStart(7, "0");
}

/** The tag and a counter in base 36. */
function uniqueTexts(tag: string): (prefix: string) => string {
  let counter = 0;
  return (prefix) => {
    const text = `${prefix}${tag}${counter.toString(36)}`;
    counter += 1;
    return text;
  };
}

function firstAbove(cumulative: Float64Array, value: number): number {
  let low = 0;
  let high = cumulative.length - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((cumulative[middle] ?? 0) > value) high = middle;
    else low = middle + 1;
  }
  return low;
}

function badParameter(name: string, problem: string, hint?: string): PerfoptError {
  return new PerfoptError(
    "bad-input",
    `parameter "${name}" ${problem}`,
    hint ?? "correct the parameter in the workload of the target file",
  );
}
