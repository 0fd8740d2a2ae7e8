/** The choice of how a document is printed: for a person at the terminal, or as Markdown. */
import { Option, type Command } from "commander";
import type { Document } from "../report/outputs/document.ts";
import { renderDocument, summaryLimit } from "../report/outputs/markdown.ts";
import { terminalText } from "../report/outputs/terminal.ts";
import type { Context } from "./context.ts";

export interface FormatOptions {
  readonly format: "text" | "md";
  readonly json?: boolean;
}

export function addFormatOptions(command: Command): Command {
  return command
    .addOption(
      new Option("--format <kind>", "for a terminal, or Markdown")
        .choices(["text", "md"])
        .default("text"),
    )
    .option("--json", "everything as JSON on stdout, and nothing else there");
}

/** Prints the value as JSON when that was asked for, else the document. */
export function printDocument(
  context: Context,
  { format, json }: FormatOptions,
  value: unknown,
  document: Document,
): void {
  if (json) {
    context.out(`${JSON.stringify(value, null, 2)}\n`);
    return;
  }
  // A summary is the largest text that anything takes.
  const text =
    format === "md"
      ? renderDocument(document, summaryLimit(0))
      : terminalText(document, context.styleOut);
  context.out(text ?? "");
}
