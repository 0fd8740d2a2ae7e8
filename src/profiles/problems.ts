/** What is wrong with a profile, where, and the one error that says all of it. */
import { PerfoptError, redactSecrets } from "../core/errors.ts";

export interface Position {
  readonly line: number;
  readonly column: number;
}

export interface Problem extends Position {
  /** Keys from the file's root, for example `workloads.interactive.requests[2].path`; empty for the root. */
  readonly path: string;
  /** What was expected and what was found. */
  readonly message: string;
}

/** One line a problem: `file:line:column: path: message`, in the order of the file. */
export function profileError(file: string, problems: readonly Problem[]): PerfoptError {
  const lines = problems
    .toSorted((a, b) => a.line - b.line || a.column - b.column)
    .map(({ line, column, path, message }) =>
      [`${file}:${line}:${column}`, ...(path === "" ? [] : [path]), message].join(": "),
    );
  return new PerfoptError(
    "bad-input",
    lines.map((line) => redactSecrets(line)).join("\n"),
    lines.length === 1
      ? "correct the line and run the command again"
      : `correct these ${lines.length} lines and run the command again`,
  );
}

export function pathText(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, key) => {
    if (typeof key === "number") return `${text}[${key}]`;
    return text === "" ? String(key) : `${text}.${String(key)}`;
  }, "");
}
