/** Options that hold a size, a time or a share, parsed with one wording for what is wrong. */
import { PerfoptError } from "../core/errors.ts";

/** `5%` or `5` as 5; undefined when it is no share. */
export function percentOf(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*%?$/.exec(text.trim());
  return match ? Number(match[1]) : undefined;
}

/** Undefined stays undefined. */
export function given(
  text: string | undefined,
  option: string,
  parse: (text: string) => number | undefined,
  wanted: string,
): number | undefined {
  return text === undefined ? undefined : required(text, option, parse, wanted);
}

/** Throws bad-input for what `parse` does not understand. */
export function required(
  text: string,
  option: string,
  parse: (text: string) => number | undefined,
  wanted: string,
): number {
  const value = parse(text);
  if (value !== undefined) return value;
  throw new PerfoptError("bad-input", `${option} ${text}: expected ${wanted}`, `give ${wanted}`);
}
