/** An SQL script as its statements: split where PostgreSQL ends them, psql's own commands and COPY data taken out. */
import { tokenAt } from "./lexer.ts";

export interface ScriptStatement {
  /** Without its semicolon. */
  readonly text: string;
  /** The comments before it, without their marks. */
  readonly comments: readonly string[];
}

export interface Script {
  readonly statements: readonly ScriptStatement[];
  /** psql's, for example `\timing on`. */
  readonly commands: readonly string[];
}

export function splitScript(text: string): Script {
  const statements: ScriptStatement[] = [];
  const commands: string[] = [];
  let comments: string[] = [];
  let start: number | undefined;
  let at = 0;
  let ended = -1;
  const nesting = bodyNesting();
  const end = (to: number, next: number): void => {
    if (start !== undefined) {
      const statement = text.slice(start, to).trim();
      statements.push({ text: statement, comments });
      ended = next;
      at = isCopyFromInput(statement) ? afterCopyData(text, next) : next;
    } else at = next;
    start = undefined;
    comments = [];
    nesting.reset();
  };
  for (let token = tokenAt(text, at); token; token = tokenAt(text, at)) {
    at = token.end;
    const word = text.slice(token.start, token.end);
    if (token.kind === "comment") {
      // A comment behind a semicolon on the same line is about the statement that has ended.
      const isBehind = ended >= 0 && !text.slice(ended, token.start).includes("\n");
      if (start === undefined && !isBehind) comments.push(unmarked(word));
    } else if (word === ";" && !nesting.inside()) end(token.start, token.end);
    else if (word === "\\") {
      const lineEnd = endOfLine(text, token.start);
      const command = text.slice(token.start, lineEnd).trim();
      if (start === undefined) commands.push(command);
      // `\g`, `\gset`, `\watch` and the like send what was typed so far.
      end(token.start, command.startsWith("\\;") ? token.end + 1 : lineEnd);
    } else {
      start ??= token.start;
      if (token.kind === "word") nesting.word(word.toLowerCase());
    }
  }
  end(text.length, text.length);
  return { statements, commands };
}

/** Semicolons inside `BEGIN ATOMIC ... END` end no statement; CASE has an END of its own. */
function bodyNesting() {
  let depth = 0;
  let previous = "";
  return {
    inside: () => depth > 0,
    word(word: string): void {
      if (word === "atomic" && previous === "begin") depth = 1;
      else if (depth > 0 && word === "case") depth += 1;
      else if (depth > 0 && word === "end") depth -= 1;
      previous = word;
    },
    reset(): void {
      depth = 0;
      previous = "";
    },
  };
}

function isCopyFromInput(statement: string): boolean {
  return /^copy\b[^']*\bfrom\s+stdin\b/i.test(statement);
}

/** Behind the line `\.` that ends the data; where no such line is, nothing was data. */
function afterCopyData(text: string, from: number): number {
  const mark = /^\\\.[ \t]*\r?$/gm;
  mark.lastIndex = from;
  return mark.test(text) ? mark.lastIndex : from;
}

function endOfLine(text: string, from: number): number {
  const end = text.indexOf("\n", from);
  return end < 0 ? text.length : end;
}

function unmarked(comment: string): string {
  return comment.startsWith("--")
    ? comment.slice(2).trim()
    : comment.slice(2).replace(/\*\/$/, "").trim();
}
