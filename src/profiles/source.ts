/** A YAML file as plain data that remembers where each value stands in the file. */
import { readFile } from "node:fs/promises";
import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  visit,
  type YAMLError,
} from "yaml";
import { messageOf, PerfoptError } from "../core/errors.ts";
import { HIDDEN } from "./fields.ts";
import { fillEnvironment, type Environment } from "./environment.ts";
import { type Position, profileError, type Problem } from "./problems.ts";

export interface Source {
  /** As given by the user, for messages. */
  readonly file: string;
  readonly value: unknown;
  /** Where the value at a path stands; of a key that is missing, where its parent's stands. */
  positionOf(path: readonly PropertyKey[]): Position;
  /** Where a key itself stands. */
  positionOfKey(path: readonly PropertyKey[]): Position;
  /** The value at a path as a person would call it, secrets hidden: `"5 apples"`, `a list`, `nothing`. */
  found(path: readonly PropertyKey[]): string;
}

/** What `${env:NAME}` is filled in from, and the paths below which it is not, because nobody will ask for what is there. */
interface Filling {
  readonly env: Environment;
  readonly unused?: readonly string[];
}

/** Reads and parses; `${env:NAME}` is filled in when an environment is given. */
export async function readSource(file: string, filling?: Filling): Promise<Source> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    throw new PerfoptError(
      "bad-input",
      `cannot read ${file}: ${messageOf(error)}`,
      "check the path and that the file may be read",
      { cause: error },
    );
  }
  return parseSource(file, text, filling);
}

export function parseSource(file: string, text: string, filling?: Filling): Source {
  const lines = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    stringKeys: true,
  });
  const positionAt = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  const syntax = causes([...document.errors, ...document.warnings]);
  if (syntax.length > 0) {
    throw profileError(
      file,
      syntax.map((error) => syntaxProblem(error, text, positionAt)),
    );
  }
  const problems = aliasProblems(document, positionAt);
  if (filling !== undefined) problems.push(...fillEnvironment(document, filling, positionAt));
  if (problems.length > 0) throw profileError(file, problems);
  return {
    file,
    value: toData(document, file),
    positionOf: (path) => positionAt(offsetOf(document, path, "value")),
    positionOfKey: (path) => positionAt(offsetOf(document, path, "key")),
    // Headers hold tokens, whatever they are called.
    found: (path) =>
      path.includes("headers") ? HIDDEN : describe(nodeAt(document, path), document),
  };
}

/** One mistake makes the parser complain again and again: tabs explain all that comes with them, and else the first complaint does. */
function causes(errors: readonly YAMLError[]): readonly YAMLError[] {
  const tabs = errors.filter((error) => error.code === "TAB_AS_INDENT");
  if (tabs.length > 0) return tabs;
  const independent = errors.filter((error) => INDEPENDENT.includes(error.code));
  const first = errors
    .filter((error) => !INDEPENDENT.includes(error.code))
    .toSorted((a, b) => a.pos[0] - b.pos[0])
    .slice(0, 1);
  return [...independent, ...first];
}

const INDEPENDENT: readonly YAMLError["code"][] = ["DUPLICATE_KEY", "TAG_RESOLVE_FAILED"];

/** The parser's words for what is wrong, in ours: what was expected, what was found. Values are never quoted. */
function syntaxProblem(
  error: YAMLError,
  text: string,
  positionAt: (offset: number) => Position,
): Problem {
  const position = positionAt(error.pos[0]);
  const line = text.split("\n")[position.line - 1] ?? "";
  return { ...position, path: "", message: syntaxMessage(error, text, line) };
}

const SYNTAX_MESSAGES: Readonly<Partial<Record<YAMLError["code"], string>>> = {
  TAB_AS_INDENT: "expected spaces as indentation, found a tab",
  MULTIPLE_DOCS: "expected one YAML document a file, found a second one after ---",
  NON_STRING_KEY: "expected text as a key, found a map or a list",
  TAG_RESOLVE_FAILED: "expected a plain value, found a YAML tag (!...)",
  BLOCK_AS_IMPLICIT_KEY:
    "expected one `key: value` a line, found a second colon or a wrong indentation; put text that holds `: ` in quotes",
};

function syntaxMessage(error: YAMLError, text: string, line: string): string {
  if (error.code === "DUPLICATE_KEY") {
    const key = /^[^\s:]+/.exec(text.slice(error.pos[0]))?.[0] ?? "";
    return `expected each key once in a map, found "${key}" again`;
  }
  const known = SYNTAX_MESSAGES[error.code];
  if (known !== undefined) return known;
  if (/closing .quote/.test(error.message)) return "expected a closing quote, found none";
  return line.includes("${") && /[[{]/.test(line.replaceAll("${", ""))
    ? "expected valid YAML, found ${...} inside { } or [ ]; put that text in quotes"
    : `expected valid YAML, found this: ${withoutSource(error.message)}`;
}

/** Parser messages may end in a piece of the file, which may hold a secret. */
function withoutSource(message: string): string {
  return message.replace(/ (?:token )?in YAML stream: .*$/s, "").replace(/: ".*"$/s, "");
}

function aliasProblems(document: Document, positionAt: (offset: number) => Position): Problem[] {
  const problems: Problem[] = [];
  visit(document, {
    Alias: (_, alias) => {
      const target = alias.resolve(document);
      const start = alias.range?.[0] ?? 0;
      const message =
        target === undefined
          ? `expected an anchor &${alias.source} above, found none`
          : target.range && target.range[0] < start && start < target.range[1]
            ? `expected a value, found *${alias.source} inside its own anchor`
            : undefined;
      if (message !== undefined) problems.push({ ...positionAt(start), path: "", message });
    },
  });
  return problems;
}

function toData(document: Document, file: string): unknown {
  try {
    return document.toJS();
  } catch (error) {
    const message = `expected data, found aliases that expand without end: ${messageOf(error)}`;
    throw profileError(file, [{ line: 1, column: 1, path: "", message }]);
  }
}

function offsetOf(document: Document, path: readonly PropertyKey[], part: "key" | "value"): number {
  for (let length = path.length; length >= 0; length -= 1) {
    const whole = length === path.length;
    const node =
      whole && part === "value"
        ? nodeAt(document, path)
        : (keyAt(document, path.slice(0, length)) ?? nodeAt(document, path.slice(0, length)));
    if (node?.range) return node.range[0];
  }
  return 0;
}

function nodeAt(document: Document, path: readonly PropertyKey[]): Node | undefined {
  let node: unknown = document.contents;
  for (const key of path) {
    node = isAlias(node) ? node.resolve(document) : node;
    if (isMap(node)) node = pairOf(node, key)?.value;
    else if (isSeq(node)) node = node.items[Number(key)];
    else return undefined;
  }
  return isNode(node) ? node : undefined;
}

function keyAt(document: Document, path: readonly PropertyKey[]): Node | undefined {
  const last = path.at(-1);
  const parent = nodeAt(document, path.slice(0, -1));
  const map = isAlias(parent) ? parent.resolve(document) : parent;
  if (last === undefined || !isMap(map)) return undefined;
  const key = pairOf(map, last)?.key;
  return isNode(key) ? key : undefined;
}

function pairOf(
  map: { readonly items: readonly { key: unknown; value: unknown }[] },
  key: PropertyKey,
) {
  return map.items.find((pair) => isScalar(pair.key) && String(pair.key.value) === String(key));
}

const FOUND_CHARS_MAX = 60;

function describe(node: Node | undefined, document: Document): string {
  if (isAlias(node)) return describe(node.resolve(document), document);
  if (isMap(node)) return "a map";
  if (isSeq(node)) return "a list";
  if (!isScalar(node) || node.value === null) return "nothing";
  if (typeof node.value !== "string") return node.source ?? JSON.stringify(node.value);
  // The text of the file, not what an environment variable put in its place: that may be a secret.
  const hidden = (node.source ?? node.value)
    .replace(/:\/\/.*$/s, "://***")
    .replace(/(pass(?:word|wd)?|pwd|secret|token)(\s*[=:]\s*).*$/is, "$1$2***");
  return JSON.stringify(
    hidden.length > FOUND_CHARS_MAX ? `${hidden.slice(0, FOUND_CHARS_MAX)}...` : hidden,
  );
}
