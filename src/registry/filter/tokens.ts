// Splits a search filter or an order_by clause into tokens, each with its place for error messages.

import { invalidParameter } from "../errors.ts";

export type Token =
  | { readonly kind: "word"; readonly text: string; readonly at: number }
  | { readonly kind: "quoted"; readonly text: string; readonly quote: string; readonly at: number }
  | { readonly kind: "number"; readonly text: string; readonly at: number }
  | { readonly kind: "symbol"; readonly text: string; readonly at: number };

// Generous for people, small enough that a filter cannot become a load of its own.
const FILTER_CHARS_MAX = 10_000;

const SPACE = /\s+/y;
const WORD = /[A-Za-z_]\w*/y;
// A part of a dotted key may begin with a digit (metrics.f1.0), which a plain word may not.
const KEY_PART = /\w[\w-]*/y;
const NUMBER = /[+-]?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?/y;
const QUOTED = /'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`/y;
const SYMBOL = /!=|<>|<=|>=|[=<>(),.]/y;

export function tokenize(input: string): Token[] {
  if (input.length > FILTER_CHARS_MAX) {
    throw invalidParameter(
      `The filter has ${input.length} characters; at most ${FILTER_CHARS_MAX} are read.`,
    );
  }
  const tokens: Token[] = [];
  let at = 0;
  while (at < input.length) {
    const space = match(SPACE, input, at);
    if (space !== undefined) {
      at += space.length;
      continue;
    }
    const token = nextToken(input, at, tokens.at(-1));
    tokens.push(token.token);
    at += token.length;
  }
  return tokens;
}

function nextToken(
  input: string,
  at: number,
  last: Token | undefined,
): { token: Token; length: number } {
  const afterDot = last?.kind === "symbol" && last.text === ".";
  const word = match(afterDot ? KEY_PART : WORD, input, at);
  if (word !== undefined) return { token: { kind: "word", text: word, at }, length: word.length };
  const number = match(NUMBER, input, at);
  if (number !== undefined)
    return { token: { kind: "number", text: number, at }, length: number.length };
  const quoted = match(QUOTED, input, at);
  if (quoted !== undefined) {
    const quote = quoted.charAt(0);
    const text = quoted.slice(1, -1).replaceAll(quote + quote, quote);
    return { token: { kind: "quoted", text, quote, at }, length: quoted.length };
  }
  const symbol = match(SYMBOL, input, at);
  if (symbol !== undefined)
    return { token: { kind: "symbol", text: symbol, at }, length: symbol.length };
  throw invalidParameter(
    `Invalid filter: cannot read ${JSON.stringify(input.slice(at, at + 20))} at character ${at + 1}.`,
  );
}

function match(pattern: RegExp, input: string, at: number): string | undefined {
  pattern.lastIndex = at;
  return pattern.exec(input)?.[0];
}
