/** Which statements of a workload may be executed to see their plan: queries that can do nothing but read and compute. */
import type { Node } from "libpg-query";
import { callsIn, isQuery } from "../indexes/clone/harmless.ts";
import type { ViewDefinition } from "../indexes/ideas.ts";
import { parseStatement } from "../indexes/parse.ts";

export interface Known {
  /** Names of which every function of the database is immutable or stable. */
  readonly computing: ReadonlySet<string>;
  readonly views: readonly ViewDefinition[];
}

/**
 * Why a statement is not executed; undefined when it may be. The transaction is read-only besides, so that PostgreSQL refuses what
 * writes; this is for what a read-only transaction allows: functions that wait, that end sessions, that read files or call others.
 */
export async function objectionToRunning(sql: string, known: Known): Promise<string | undefined> {
  const parsed = await parseStatement(sql);
  if (parsed.kind === "failed") return parsed.because;
  const own = objectionTo(parsed.statement, known.computing);
  if (own !== undefined) return own;
  // A view's query runs as part of the statement, and so do those of the views inside it.
  const seen = new Set<string>();
  const waiting = [...relationsIn(parsed.statement)];
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    if (seen.has(name)) continue;
    seen.add(name);
    for (const view of known.views.filter((each) => each.name === name)) {
      const inner = await parseStatement(view.definition.replace(/;\s*$/, ""));
      if (inner.kind === "failed") return `the view ${name} could not be read: ${inner.because}`;
      const objection = objectionTo(inner.statement, known.computing);
      if (objection !== undefined) return `the view ${name}: ${objection}`;
      waiting.push(...relationsIn(inner.statement));
    }
  }
  return undefined;
}

function objectionTo(statement: Node, computing: ReadonlySet<string>): string | undefined {
  if (!("SelectStmt" in statement)) return "it is no query";
  if (isQuery(statement, computing)) return undefined;
  const unknown = callsIn(statement).find((name) => !computing.has(name));
  return unknown === undefined
    ? "it writes or locks rows"
    : `it calls ${unknown}, which may do more than compute`;
}

function relationsIn(node: unknown): readonly string[] {
  if (Array.isArray(node)) return node.flatMap(relationsIn);
  if (typeof node !== "object" || node === null) return [];
  const own = "relname" in node && typeof node.relname === "string" ? [node.relname] : [];
  return [...own, ...Object.values(node).flatMap(relationsIn)];
}
