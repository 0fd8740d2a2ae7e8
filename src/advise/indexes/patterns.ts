/** Conditions that need operators of their own: patterns on text, and containment in documents, arrays, ranges and shapes. */
import type { Node } from "libpg-query";
import type { IndexKey } from "../../core/index-definition.ts";
import { unfitForBtree } from "./column-fit.ts";
import { isOutside, isTextKey, keyed } from "./keys.ts";
import type { Keyed } from "./keys.ts";
import { literalOf } from "./partial.ts";
import type { Filter, Scope } from "./scope.ts";

type Key = Extract<Keyed, { kind: "key" }>;

/** What an index could do for a condition. */
export type Special =
  | { readonly kind: "equal" | "range"; readonly key: Key }
  | { readonly kind: "filter"; readonly key: Key; readonly filter: Filter }
  | { readonly kind: "note"; readonly text: string };

export type PatternKind = "like" | "ilike" | "regex" | "iregex" | "similar";

/** A trigram index narrows a search by whole trigrams only. */
const TRIGRAM = 3;

export function readPattern(
  kind: PatternKind,
  left: Node | undefined,
  right: Node | undefined,
  scope: Scope,
): readonly Special[] {
  const key = keyed(left, scope);
  if (!key || !right) return [];
  if (key.kind === "refused") return [{ kind: "note", text: key.because }];
  if (!isTextKey(key) || !isOutside(key.use, right, scope)) return [];
  const pattern = literalOf(right);
  const known = pattern === undefined ? undefined : fixedParts(kind, pattern);
  if (known?.exact) return [{ kind: "equal", key }];
  const begins = known && known.prefix !== "" && (kind === "like" || kind === "regex");
  if (begins && unfitFor(key) === undefined) {
    if (key.bytewise) return [{ kind: "range", key }];
    const operators = key.type === "character" ? "bpchar_pattern_ops" : "text_pattern_ops";
    return [specialOf("pattern", "btree", key, operators)];
  }
  if (known && known.longest < TRIGRAM) {
    return [
      {
        kind: "note",
        text: `the pattern '${pattern}' has no ${TRIGRAM} letters in a row, so that no index finds it`,
      },
    ];
  }
  return [specialOf("pattern", "gin", key, "gin_trgm_ops")];
}

/** Why a B-tree cannot have the key, column or expression. */
function unfitFor({ use, key, unfit }: Key): string | undefined {
  const column = use.table.columns.find(({ name }) => name === key.name);
  return column ? unfitForBtree(column) : unfit;
}

interface FixedParts {
  /** Letters that the text has to begin with. */
  readonly prefix: string;
  readonly longest: number;
  /** No wildcard at all. */
  readonly exact: boolean;
}

function fixedParts(kind: PatternKind, pattern: string): FixedParts {
  return kind === "regex" || kind === "iregex" ? ofRegex(pattern) : ofLike(kind, pattern);
}

function ofLike(kind: PatternKind, pattern: string): FixedParts {
  const runs = [""];
  const add = (letters: string): void => void runs.push(`${runs.pop() ?? ""}${letters}`);
  for (let at = 0; at < pattern.length; at += 1) {
    const letter = pattern.charAt(at);
    if (letter === "%" || letter === "_") runs.push("");
    else if (letter === "\\") add(pattern.charAt((at += 1)));
    else if (kind === "similar" && /[|*+?{}()[\]]/.test(letter)) return UNKNOWN_PARTS;
    else add(letter);
  }
  const exact = runs.length === 1 && kind === "like";
  return { prefix: runs[0] ?? "", longest: Math.max(...runs.map((run) => run.length)), exact };
}

/** Groups and alternatives may leave any part out. */
const UNKNOWN_PARTS: FixedParts = { prefix: "", longest: TRIGRAM, exact: false };

function ofRegex(pattern: string): FixedParts {
  if (/[|(]/.test(pattern)) return UNKNOWN_PARTS;
  const anchored = pattern.startsWith("^");
  const runs = [""];
  for (let at = anchored ? 1 : 0; at < pattern.length; at += 1) {
    const letter = pattern.charAt(at);
    const last = runs.pop() ?? "";
    if (letter === "\\" && /[^a-zA-Z0-9]/.test(pattern.charAt(at + 1))) {
      runs.push(`${last}${pattern.charAt((at += 1))}`);
    } else if (/[*?{]/.test(letter)) runs.push(last.slice(0, -1), "");
    else if (/[.+[\]}$^\\]/.test(letter)) runs.push(last, "");
    else runs.push(`${last}${letter}`);
  }
  const prefix = anchored ? (runs[0] ?? "") : "";
  return { prefix, longest: Math.max(...runs.map((run) => run.length)), exact: false };
}

const MIRRORED: Readonly<Record<string, string>> = {
  "&&": "&&",
  "<<": ">>",
  "<<=": ">>=",
  "<@": "@>",
  "=": "=",
  ">>": "<<",
  ">>=": "<<=",
  "@>": "<@",
  "@@": "@@",
  "~=": "~=",
  "-|-": "-|-",
};

const RANGE_TYPE = /^(int4|int8|num|ts|tstz|date)(multi)?range$/;
const SHAPE_TYPE = /^(point|box|polygon|circle)$/;
const PLACE_OPERATORS = new Set([
  "&&",
  "@>",
  "<@",
  "<<",
  ">>",
  "&<",
  "&>",
  "-|-",
  "~=",
  "|>>",
  "<<|",
]);

/** `column @> value`, `value <@ column` and their like; nothing where no operator class has the operator for the type. */
export function readContainment(
  operator: string,
  left: Node | undefined,
  right: Node | undefined,
  scope: Scope,
): readonly Special[] {
  const mirrored = MIRRORED[operator];
  return [
    ...contained(operator, left, right, scope),
    ...(mirrored === undefined ? [] : contained(mirrored, right, left, scope)),
  ];
}

/** `ORDER BY place <-> value`. */
export function nearest(
  node: Node | undefined,
  other: Node | undefined,
  scope: Scope,
): readonly Special[] {
  const key = keyed(node, scope);
  const fits = key?.kind === "key" && SHAPE_TYPE.test(key.type ?? "");
  return fits && isOutside(key.use, other, scope) ? [specialOf("contains", "gist", key)] : [];
}

function contained(
  operator: string,
  mine: Node | undefined,
  other: Node | undefined,
  scope: Scope,
): readonly Special[] {
  const key = keyed(mine, scope);
  if (!key) return [];
  if (key.kind === "refused") return [{ kind: "note", text: key.because }];
  const { type } = key;
  if (type === undefined || !isOutside(key.use, other, scope)) return [];
  if (type === "jsonb") {
    // jsonb_path_ops is smaller and knows paths; the default also knows keys alone.
    if (operator === "@>" || operator === "@?" || operator === "@@") {
      return [
        specialOf("contains", "gin", key, "jsonb_path_ops"),
        specialOf("contains", "gin", key),
      ];
    }
    return /^\?[|&]?$/.test(operator) ? [specialOf("contains", "gin", key)] : [];
  }
  if (type.endsWith("[]")) {
    return ["@>", "<@", "&&"].includes(operator) ? [specialOf("contains", "gin", key)] : [];
  }
  if (type === "tsvector") return operator === "@@" ? [specialOf("contains", "gin", key)] : [];
  if (RANGE_TYPE.test(type) || SHAPE_TYPE.test(type)) {
    return PLACE_OPERATORS.has(operator) ? [specialOf("contains", "gist", key)] : [];
  }
  if (type === "inet" || type === "cidr") {
    const inside = ["<<", "<<=", ">>", ">>=", "&&"].includes(operator);
    return inside ? [specialOf("contains", "gist", key, "inet_ops")] : [];
  }
  return isTextKey(key) && operator === "%"
    ? [specialOf("pattern", "gin", key, "gin_trgm_ops")]
    : [];
}

function specialOf(
  kind: "pattern" | "contains",
  method: "btree" | "gin" | "gist",
  key: Key,
  operators?: string,
): Special {
  const indexKey: IndexKey = { ...key.key, ...(operators === undefined ? {} : { operators }) };
  return { kind: "filter", key, filter: { kind, method, key: indexKey, columns: key.columns } };
}
