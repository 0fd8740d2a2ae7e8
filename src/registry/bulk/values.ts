// Values of a record held against the limits that log-batch has, without the cost of a JSON Schema for each of millions of records.

/** Why a record is not taken. */
export type Reason = string;

type Text = { readonly name: string; readonly min: number; readonly max: number };

export const RUN_ID: Text = { name: "run_id", min: 1, max: 64 };
export const KEY: Text = { name: "key", min: 1, max: 250 };
export const PARAM_VALUE: Text = { name: "value", min: 0, max: 6_000 };
export const TAG_VALUE: Text = { name: "value", min: 0, max: 8_000 };

/** Undefined when the text will do. Lengths are in characters (code points), as JSON Schema counts them. */
export function textProblem(value: unknown, { name, min, max }: Text): Reason | undefined {
  if (typeof value !== "string")
    return value === undefined || value === null
      ? `${name} is missing; it is required`
      : `${name} is no text`;
  if (value.length < min) return `${name} is empty`;
  if (value.length > max && countCharacters(value) > max)
    return `${name} is longer than ${max} characters`;
  // The one character that PostgreSQL's text cannot hold.
  if (value.includes("\0")) return `${name} holds the character U+0000`;
  // All halves become one character, so that two keys would be one row.
  return HALF_PAIR.test(value) ? `${name} holds half of a surrogate pair` : undefined;
}

const HALF_PAIR = /\p{Surrogate}/u;

function countCharacters(text: string): number {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}

/** A whole number from JSON, or of CSV as text. NaN: it is none, or out of bounds. */
export function toWhole(value: unknown, min: number): number {
  const number = toNumber(value);
  return Number.isSafeInteger(number) && number >= min ? number : Number.NaN;
}

/** A number from JSON, or of CSV as text. NaN: it is none, or none that a double holds. */
export function toNumber(value: unknown): number {
  if (typeof value === "string") return value.trim() === "" ? Number.NaN : finite(Number(value));
  return typeof value === "number" ? finite(value) : Number.NaN;
}

/** Absent in JSON, or an empty cell of CSV. */
export function isAbsent(value: unknown): value is undefined | null | "" {
  return value === undefined || value === null || value === "";
}

function finite(number: number): number {
  return Number.isFinite(number) ? number : Number.NaN;
}
