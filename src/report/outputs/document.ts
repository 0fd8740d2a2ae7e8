/** What an output says before it is text for a terminal or Markdown: a verdict, a headline, and sections of sentences, lists and tables. */
import { redactSecrets } from "../../core/errors.ts";
import type { GateVerdict } from "../../core/gate.ts";

export type Tone = "good" | "bad" | "warn" | "plain";

/** `code`: text that is not perfopt's own, such as a statement or a ref, shown as it is. */
export interface Marked {
  readonly text: string;
  readonly tone?: Tone;
  readonly code?: boolean;
}

export type Cell = string | Marked;

export type Block =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "list"; readonly items: readonly string[] }
  | { readonly kind: "code"; readonly language: string; readonly lines: readonly string[] }
  | {
      readonly kind: "table";
      readonly headers: readonly string[];
      readonly rows: readonly (readonly Cell[])[];
      /** In a terminal: characters of the columns that are wrapped, null for the others. Absent: only long code is wrapped. */
      readonly widths?: readonly (number | null)[];
    };

export interface Section {
  readonly title: string;
  /** `open`: always shown. `folded`: behind a click in Markdown. `long`: the same, and not in the terminal. */
  readonly depth: "open" | "folded" | "long";
  readonly blocks: readonly Block[];
}

export interface Document {
  /** Of the hidden marker by which a comment is found again. */
  readonly kind:
    | "gate"
    | "self-test"
    | "bench"
    | "compare"
    | "history"
    | "advice"
    | "cache-advice"
    | "pool-advice"
    | "doctor";
  /** What was measured: target/workload. */
  readonly name: string;
  readonly title: string;
  readonly word: Marked;
  readonly headline: string;
  readonly lead: readonly Block[];
  /** The most important first: what does not fit is cut from the end. */
  readonly sections: readonly Section[];
}

/** A section, unless it has nothing to say. */
export function section(
  title: string,
  depth: Section["depth"],
  parts: readonly (Block | undefined)[],
): readonly Section[] {
  const blocks = parts.filter((part) => part !== undefined);
  return blocks.length === 0 ? [] : [{ title, depth, blocks }];
}

/** At most so many items of at most so many characters, so that no result makes an output that nobody can post. */
const ITEMS_MOST = 20;
const ITEM_CHARACTERS_MOST = 600;

export function list(texts: readonly string[]): Block | undefined {
  if (texts.length === 0) return undefined;
  const items = texts.slice(0, ITEMS_MOST).map((text) => shortened(text, ITEM_CHARACTERS_MOST));
  const more = texts.length - items.length;
  return {
    kind: "list",
    items: more === 0 ? items : [...items, `and ${more} more in the result file`],
  };
}

export function table(
  headers: readonly string[],
  rows: readonly (readonly Cell[])[],
  widths?: readonly (number | null)[],
): Block | undefined {
  if (rows.length === 0) return undefined;
  return { kind: "table", headers, rows, ...(widths === undefined ? {} : { widths }) };
}

const VERDICT_TONE: Readonly<Record<GateVerdict, Tone>> = {
  pass: "good",
  fail: "bad",
  inconclusive: "warn",
  invalid: "warn",
};

export function verdictWord(verdict: GateVerdict, remark?: string): Marked {
  const text = verdict.toUpperCase() + (remark === undefined ? "" : ` (${remark})`);
  return { text, tone: VERDICT_TONE[verdict] };
}

/**
 * Text of others on one line: no secrets, no control characters (they move a terminal's cursor and are no XML), no characters that
 * turn the reading direction, no halves of a surrogate pair.
 */
export function clean(text: string): string {
  return redactSecrets(text)
    .replaceAll(/\p{Cc}|[\u202A-\u202E\u2066-\u2069\uFFFE\uFFFF]/gu, " ")
    .replaceAll(/\p{Cs}/gu, "\uFFFD")
    .replaceAll(/\s+/g, " ")
    .trim();
}

/** Clean text of at most so many characters, cut between code points. Cleaned first: half a secret is not recognised as one. */
export function shortened(text: string, most: number): string {
  const whole = clean(text);
  const characters = Array.from(whole);
  return characters.length <= most ? whole : `${characters.slice(0, most - 3).join("")}...`;
}
