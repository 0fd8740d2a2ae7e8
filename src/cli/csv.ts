/** Reads the rows of a CSV file. */
import { readFile } from "node:fs/promises";
import { CsvError, parse } from "csv-parse/sync";
import { messageOf, PerfoptError } from "../core/errors.ts";
import type { Row } from "../core/workload.ts";

/**
 * At most `limit` rows; the first line names their columns. A column is of numbers when each of its values is one and is written as
 * JSON would write it (not 007, 1.0 or an id beyond 2^53), and else of texts. Throws bad-input that begins with `where`; it names the
 * line, and repeats no value.
 */
export async function readCsv(path: string, limit: number, where: string): Promise<readonly Row[]> {
  const text = await textOf(path, where);
  const [columns, ...rows] = recordsOf(text, limit, `${where}: ${path}`);
  checkColumns(columns ?? [], `${where}: ${path}:1`);
  if (columns === undefined || rows.length === 0) {
    throw badCsv(
      `${where}: ${path} has no rows below its first line`,
      "put the columns' names into the first line, and a row into each further one",
    );
  }
  const numeric = columns.map((_, index) => rows.every((row) => isNumber(row[index] ?? "")));
  return rows.map((row) =>
    Object.fromEntries(
      columns.map((column, index) => {
        const value = row[index] ?? "";
        return [column, numeric[index] === true ? Number(value) : value];
      }),
    ),
  );
}

async function textOf(path: string, where: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    throw badCsv(
      `${where}: its file cannot be read: ${messageOf(error)}`,
      "give csv a path relative to the target file, of a file that may be read",
      error,
    );
  }
}

function recordsOf(text: string, limit: number, where: string): readonly (readonly string[])[] {
  try {
    return parse(text, { bom: true, skip_empty_lines: true, to: limit + 1 });
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    const line = typeof error["lines"] === "number" ? `:${error["lines"]}` : "";
    throw badCsv(
      `${where}${line}: ${whatIsWrong(error)}`,
      "correct that line; a value that holds a comma, a quote or a line break stands in double quotes",
      error,
    );
  }
}

function whatIsWrong(error: CsvError): string {
  if (error.code !== "CSV_RECORD_INCONSISTENT_FIELDS_LENGTH") return messageOf(error);
  const found = Array.isArray(error["record"]) ? `, found ${error["record"].length}` : "";
  return `expected as many values as in the first line${found}`;
}

/** A name that stands twice would hide the first column's values. */
function checkColumns(columns: readonly string[], where: string): void {
  const hint = "give each column a name of its own";
  if (columns.some((name) => name.trim() === "")) {
    throw badCsv(`${where}: expected a name for each column, found an empty one`, hint);
  }
  const twice = columns.find((name, index) => columns.indexOf(name) !== index);
  if (twice !== undefined) {
    throw badCsv(`${where}: expected each column's name once, found "${twice}" again`, hint);
  }
}

function isNumber(text: string): boolean {
  const value = Number(text);
  return text !== "" && Number.isFinite(value) && String(value) === text;
}

function badCsv(message: string, hint: string, cause?: unknown): PerfoptError {
  return new PerfoptError("bad-input", message, hint, { cause });
}
