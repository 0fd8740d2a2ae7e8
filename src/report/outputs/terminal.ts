/** A document as text for a terminal: the verdict in the first line, tables drawn, colours from the caller. */
import Table from "cli-table3";
import {
  clean,
  type Block,
  type Cell,
  type Document,
  type Section,
  type Tone,
} from "./document.ts";

/** How the caller marks text: chalk with a terminal, nothing without. */
export interface Paint {
  readonly good: (text: string) => string;
  readonly bad: (text: string) => string;
  readonly warn: (text: string) => string;
  readonly dim: (text: string) => string;
  readonly strong: (text: string) => string;
}

/** A statement is wrapped within so many columns. */
const CODE_WIDTH = 60;

export function terminalText(document: Document, paint: Paint): string {
  const word = paint.strong(painted(document.word.text, document.word.tone, paint));
  const parts = [
    `${word} ${clean(document.name)}: ${clean(document.headline)}`,
    ...document.lead.map((block) => blockText(block, paint)),
    ...document.sections
      .filter(({ depth }) => depth !== "long")
      .map((section) => sectionText(section, paint)),
  ];
  return `${parts.join("\n")}\n`;
}

function sectionText({ title, blocks }: Section, paint: Paint): string {
  return ["", paint.strong(clean(title)), ...blocks.map((block) => blockText(block, paint))].join(
    "\n",
  );
}

function blockText(block: Block, paint: Paint): string {
  switch (block.kind) {
    case "text":
      return clean(block.text);
    case "list":
      return block.items.map((item) => `  - ${clean(item)}`).join("\n");
    case "code":
      return block.lines.map((line) => `  ${clean(line)}`).join("\n");
    case "table":
      return tableText(block, paint);
  }
}

function tableText(block: Extract<Block, { kind: "table" }>, paint: Paint): string {
  const { headers, rows, widths } = block;
  const wide = headers.map((_, column) =>
    !widths && rows.some((row) => isCode(row[column]) && textOf(row[column]).length > CODE_WIDTH)
      ? CODE_WIDTH
      : null,
  );
  const drawn = new Table({
    head: [...headers],
    colWidths: wide,
    wordWrap: true,
    style: { head: [], border: [], compact: true },
  });
  for (const row of rows) {
    drawn.push(
      row.map((cell, column) =>
        wrapped(textOf(cell), widths?.[column] ?? Infinity)
          .map((line) => painted(line, typeof cell === "string" ? undefined : cell.tone, paint))
          .join("\n"),
      ),
    );
  }
  return drawn.toString();
}

/** Lines of at most so many characters, broken between words, and inside a word only where it is longer than a line. */
function wrapped(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = "";
    }
    line = line === "" ? word : `${line} ${word}`;
    while (line.length > width) {
      lines.push(line.slice(0, width));
      line = line.slice(width);
    }
  }
  return [...lines, line];
}

function isCode(cell: Cell | undefined): boolean {
  return typeof cell === "object" && cell.code === true;
}

function textOf(cell: Cell | undefined): string {
  return clean((typeof cell === "string" ? cell : cell?.text) ?? "");
}

function painted(text: string, tone: Tone | undefined, paint: Paint): string {
  return tone === undefined || tone === "plain" ? text : paint[tone](text);
}
