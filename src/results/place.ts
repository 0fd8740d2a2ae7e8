/** Where a history is kept: a file, a branch that holds nothing else, or notes on the measured commits. */
import { PerfoptError } from "../core/errors.ts";

export type Place =
  | { readonly kind: "file"; readonly path: string }
  | { readonly kind: "branch"; readonly name: string }
  | { readonly kind: "notes"; readonly ref: string };

const NOTES_REF = "refs/notes/perfopt";

/** `FILE`, `git-branch:NAME`, `git-notes` or `git-notes:REF`. Throws bad-input. */
export function placeOf(where: string): Place {
  const [, kind, name] = /^git-(branch|notes)(?::(.*))?$/s.exec(where) ?? [];
  if (kind === "branch") return { kind, name: nameOf(name, where) };
  if (kind === "notes") {
    if (name === undefined) return { kind, ref: NOTES_REF };
    const given = nameOf(name, where);
    return { kind, ref: given.startsWith("refs/") ? given : `refs/notes/${given}` };
  }
  if (where === "" || where.startsWith("git-")) throw unknown(where);
  return { kind: "file", path: where };
}

/** The rules of `git check-ref-format` that matter to somebody who types a name. */
function nameOf(name: string | undefined, where: string): string {
  const good =
    name !== undefined &&
    /^[A-Za-z0-9_][A-Za-z0-9_.-]*(?:\/[A-Za-z0-9_][A-Za-z0-9_.-]*)*$/.test(name) &&
    !/\.\.|\.$|\.lock(?:\/|$)|\.\//.test(name);
  if (!good) throw unknown(where);
  return name;
}

function unknown(where: string): PerfoptError {
  return new PerfoptError(
    "bad-input",
    `there is no place for a history called "${where}"`,
    "give a file such as perf-history.jsonl, git-branch:NAME (for example git-branch:perfopt-history), or git-notes",
  );
}
