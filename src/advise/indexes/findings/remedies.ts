/** What would help a statement that no index helps: one trip instead of many, another way of paging, other SQL. */
import type { Finding, FindingKind } from "../../../core/advice.ts";
import { findingBounds } from "./input.ts";
import type { FindingBounds, FindingsInput, ReadStatement } from "./input.ts";
import { pagingRemedy } from "./paging.ts";
import { repeatedLookup } from "./repeated.ts";
import { rewritesOf } from "./rewrites.ts";

interface Remedy {
  readonly kind: Extract<FindingKind, "n-plus-one" | "paging" | "rewrite">;
  readonly text: string;
}

type Context = Pick<FindingsInput, "catalog" | "statements" | "bounds">;

/** What would help one statement, in sentences; undefined when nothing is known that would. */
export function remedyOf(read: ReadStatement, context: Context): string | undefined {
  const remedies = remediesOf(read, context);
  return remedies.length === 0 ? undefined : remedies.map(({ text }) => `${text}.`).join(" ");
}

export function remedyFindings(context: Context): readonly Finding[] {
  return context.statements.flatMap((read) =>
    remediesOf(read, context).map(({ kind, text }) => ({
      kind,
      statement: read.statement.id,
      detail: text,
    })),
  );
}

function remediesOf(read: ReadStatement, { catalog, ...context }: Context): readonly Remedy[] {
  const bounds: FindingBounds = { ...findingBounds, ...context.bounds };
  const repeated = repeatedLookup(read, context.statements, bounds);
  const paging = pagingRemedy(read.tree, bounds);
  return [
    ...(repeated === undefined ? [] : [{ kind: "n-plus-one", text: repeated } as const]),
    ...(paging === undefined ? [] : [{ kind: "paging", text: paging } as const]),
    ...rewritesOf(read, catalog, bounds).map((text) => ({ kind: "rewrite", text }) as const),
  ];
}
