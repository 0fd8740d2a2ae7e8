/** A document as GitHub-flavoured Markdown that nobody's text can break, within a limit of size. */
import { blocks, code, codeBlock, fold, plain, table as tableOf } from "../markdown-text.ts";
import { clean, type Block, type Cell, type Document, type Section } from "./document.ts";

/** How large a text may be, and how that is counted. */
export interface SizeLimit {
  readonly most: number;
  readonly measure: (text: string) => number;
  /** What takes no more, for the reader: `a comment`. */
  readonly of: string;
}

/** GitHub refuses longer comments. UTF-16 units are never fewer than the characters that it counts. */
export const COMMENT_LIMIT: SizeLimit = {
  most: 65_536,
  measure: (text) => text.length,
  of: "a comment",
};

/** GitHub drops the summary of a step that is larger, all of it. */
export const SUMMARY_BYTES_MOST = 1024 * 1024;

export function summaryLimit(bytesUsed: number): SizeLimit {
  return {
    most: SUMMARY_BYTES_MOST - bytesUsed,
    measure: (text) => new TextEncoder().encode(text).length,
    of: "a summary",
  };
}

/** Whole sections are left out from the end until the rest fits; undefined when not even the beginning does. */
export function renderDocument(document: Document, limit: SizeLimit): string | undefined {
  const head = headText(document);
  const sections = document.sections.map(sectionText);
  for (let count = sections.length; count >= 0; count -= 1) {
    const left = document.sections.slice(count).map(({ title }) => title);
    const note =
      left.length === 0
        ? undefined
        : prose(
            `Left out, since ${limit.of} takes no more: ${left.join("; ")}. The result file has all of it.`,
          );
    const text = `${blocks([head, ...sections.slice(0, count), note])}\n`;
    if (limit.measure(text) <= limit.most) return text;
  }
  return undefined;
}

/** The hidden first line by which a comment is found again; different for every target and workload, so that several gates can share a pull request. */
function markerOf({ kind, name }: Pick<Document, "kind" | "name">): string {
  // Two hyphens would end the comment in old parsers; a code point in hexadecimal keeps different names different.
  const safe = clean(name).replaceAll(
    /[^A-Za-z0-9._/-]|(?<=-)-|-$/gu,
    (character) => `%${(character.codePointAt(0) ?? 0).toString(16)};`,
  );
  return `<!-- perfopt:${kind}:${safe} -->`;
}

function headText(document: Document): string {
  return blocks([
    markerOf(document),
    `### ${prose(document.title)}: ${prose(document.word.text)}`,
    `**${prose(document.name)}**: ${prose(document.headline)}`,
    ...document.lead.map(blockText),
  ]);
}

function sectionText({ title, depth, blocks: parts }: Section): string {
  const body = blocks(parts.map(blockText));
  return depth === "open" ? `#### ${prose(title)}\n\n${body}` : fold(prose(title), body);
}

function blockText(block: Block): string {
  switch (block.kind) {
    case "text":
      return opening(prose(block.text));
    case "list":
      return block.items.map((item) => `- ${opening(prose(item))}`).join("\n");
    case "code":
      return codeBlock(block.language, block.lines.map(clean));
    case "table":
      return tableOf(
        block.headers.map(prose),
        block.rows.map((row) => row.map(cellText)),
      );
  }
}

function cellText(cell: Cell): string {
  if (typeof cell === "string") return prose(cell);
  const text = clean(cell.text);
  if (text === "") return "";
  if (cell.code) return code(apart(text));
  return cell.tone === "bad" || cell.tone === "warn" ? `**${prose(text)}**` : prose(text);
}

/**
 * A sentence that may hold text of others: no markup but code in single backticks, nobody mentioned, no issue linked, no entity
 * decoded. An invisible space does it: GitHub looks for mentions in the text that it shows, where a backslash or entity is gone.
 */
export function prose(text: string): string {
  const tame = apart(clean(text))
    .replaceAll(/`{2,}/g, "'")
    .replaceAll(/[@#&](?=[\p{L}\p{N}#_])/gu, "$&\u200B");
  return plain(tame);
}

/** A backslash before a bar would undo the bar's escape in a table, in some readers by twos; in code there is no other way. */
function apart(text: string): string {
  return text.replaceAll(/\\(?=\|)/g, "\\\u200B");
}

/** What begins a line must not become a heading, quote, list or rule. */
function opening(line: string): string {
  return line
    .replace(/^(\d+)([.)])(?=\s)/, String.raw`$1\$2`)
    .replace(/^[#>+=~-]/, String.raw`\$&`);
}
