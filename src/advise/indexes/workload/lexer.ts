/** SQL text as tokens, by the lexical rules of PostgreSQL: what is literal, comment or parameter, and what is not. */

export interface Token {
  readonly kind: "comment" | "string" | "name" | "parameter" | "word" | "symbol";
  readonly start: number;
  /** Of what is never closed: the end of the text. */
  readonly end: number;
}

export function* tokensOf(text: string): Generator<Token> {
  for (let at = 0; ;) {
    const token = tokenAt(text, at);
    if (!token) return;
    yield token;
    at = token.end;
  }
}

/** PostgreSQL's blanks: what else Unicode calls one is part of a word. */
const BLANK = /[ \t\n\r\f\v]*/y;
const PARAMETER = /\$\d+/y;
const DOLLAR_QUOTE = /\$(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$/y;
const WORD = /[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*/y;
const NUMBER = /\d[\w]*(?:\.\d\w*)?/y;
/** Strings with a letter before the quote; only those with E take a backslash for an escape. */
const PREFIXED = /(?:[eEbBxXnN]|[uU]&)'/y;
const PREFIXED_NAME = /[uU]&"/y;
const LINE_COMMENT = /--[^\r\n]*/y;

/** The token at or after a position; undefined at the end. */
export function tokenAt(text: string, from: number): Token | undefined {
  const start = matchEnd(BLANK, text, from) ?? from;
  if (start >= text.length) return undefined;
  const first = text[start];
  if (first === "'") return quoted("string", text, start, start + 1, "'");
  if (first === '"') return quoted("name", text, start, start + 1, '"');
  if (first === "-") {
    const end = matchEnd(LINE_COMMENT, text, start);
    return end === undefined
      ? { kind: "symbol", start, end: start + 1 }
      : { kind: "comment", start, end: end };
  }
  if (first === "/" && text[start + 1] === "*") return blockComment(text, start);
  if (first === "$") return dollar(text, start);
  const prefixed = matchEnd(PREFIXED, text, start);
  if (prefixed !== undefined) {
    return quoted("string", text, start, prefixed, "'", first === "e" || first === "E");
  }
  const prefixedName = matchEnd(PREFIXED_NAME, text, start);
  if (prefixedName !== undefined) return quoted("name", text, start, prefixedName, '"');
  const word = matchEnd(WORD, text, start) ?? matchEnd(NUMBER, text, start);
  return word === undefined
    ? { kind: "symbol", start, end: start + 1 }
    : { kind: "word", start, end: word };
}

function dollar(text: string, start: number): Token {
  const parameter = matchEnd(PARAMETER, text, start);
  if (parameter !== undefined) return { kind: "parameter", start, end: parameter };
  const opened = matchEnd(DOLLAR_QUOTE, text, start);
  if (opened === undefined) return { kind: "symbol", start, end: start + 1 };
  const mark = text.slice(start, opened);
  const close = text.indexOf(mark, opened);
  return close < 0
    ? { kind: "string", start, end: text.length }
    : { kind: "string", start, end: close + mark.length };
}

/** A doubled quote stands for itself. */
function quoted(
  kind: "string" | "name",
  text: string,
  start: number,
  inside: number,
  quote: string,
  escapes = false,
): Token {
  for (let at = inside; at < text.length; at += 1) {
    if (escapes && text[at] === "\\") at += 1;
    else if (text[at] === quote) {
      if (text[at + 1] !== quote) return { kind, start, end: at + 1 };
      at += 1;
    }
  }
  return { kind, start, end: text.length };
}

/** Block comments nest. */
function blockComment(text: string, start: number): Token {
  const marks = /\/\*|\*\//g;
  marks.lastIndex = start;
  let depth = 0;
  for (let mark = marks.exec(text); mark; mark = marks.exec(text)) {
    depth += mark[0] === "/*" ? 1 : -1;
    if (depth === 0) return { kind: "comment", start, end: marks.lastIndex };
  }
  return { kind: "comment", start, end: text.length };
}

function matchEnd(pattern: RegExp, text: string, at: number): number | undefined {
  pattern.lastIndex = at;
  return pattern.test(text) ? pattern.lastIndex : undefined;
}
