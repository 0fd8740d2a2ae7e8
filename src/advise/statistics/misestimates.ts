/** Where the planner expected another number of rows than came, by ten times and more, and whose columns it was about. */
import type { Executed } from "../executed/execute.ts";
import { nameOf, nodesOf, type ExecutedNode } from "../executed/node.ts";
import { conditionsOf, groupTerm, qualifierOf, type Term } from "./conditions.ts";

/** Below it other plans are seldom chosen. */
const MISESTIMATE_LEAST = 10;

export interface Misestimate {
  /** Id of the statement, and its share of the workload. */
  readonly statement: string;
  readonly share: number;
  /** The statement's values were drawn from statistics. */
  readonly drawn: boolean;
  /** `Seq Scan on runs`. */
  readonly node: string;
  /** Rows of one loop, at least 1. */
  readonly planned: number;
  readonly actual: number;
  /** How many times too few or too many were expected, beyond what the node's own input was off by; at least `MISESTIMATE_LEAST`. */
  readonly factor: number;
  readonly cause: Cause;
}

export type Cause =
  /** Conditions on one table, or groups by its columns. */
  | {
      readonly kind: "columns";
      readonly schema: string;
      readonly table: string;
      readonly terms: readonly Term[];
      readonly of: "conditions" | "groups";
    }
  /** Rows of several tables that belong together: PostgreSQL has no statistics for that. */
  | { readonly kind: "join" }
  | { readonly kind: "other" };

export async function misestimatesOf(executed: Executed): Promise<readonly Misestimate[]> {
  const found: Misestimate[] = [];
  for (const { node, stopsEarly } of visited(executed.plan.root, false)) {
    const error = errorOf(node, stopsEarly);
    if (error === undefined) continue;
    const { planned, actual, factor } = error;
    const cause = await causeOf(node);
    if (cause === undefined) continue;
    const { id: statement, share, drawn } = executed;
    found.push({ statement, share, drawn, node: nameOf(node), planned, actual, factor, cause });
  }
  return found;
}

interface Visit {
  readonly node: ExecutedNode;
  /** Whoever reads it may have had enough before its end. */
  readonly stopsEarly: boolean;
}

const READS_ALL = new Set(["Sort", "Hash", "Gather Merge"]);

function visited(node: ExecutedNode, stopsEarly: boolean): readonly Visit[] {
  const type = node["Node Type"];
  const below = (node.Plans ?? []).flatMap((child, at) => {
    const isInner = at === 1 && child["Parent Relationship"] === "Inner";
    const join = node["Join Type"];
    const stops =
      type === "Limit" ||
      type === "Merge Join" ||
      (isInner && type === "Nested Loop") ||
      (isInner && (join === "Semi" || join === "Anti"));
    const reads = READS_ALL.has(type) || (type === "Aggregate" && !isSorted(node));
    return visited(child, stops || (stopsEarly && !reads));
  });
  return [{ node, stopsEarly }, ...below];
}

/** An aggregate over sorted rows gives out its first group before it has read the last. */
function isSorted(node: ExecutedNode): boolean {
  const strategy: unknown = Object.entries(node).find(([key]) => key === "Strategy")?.[1];
  return strategy === "Sorted" || strategy === "Mixed";
}

interface RowsError {
  readonly planned: number;
  readonly actual: number;
  readonly factor: number;
}

function errorOf(node: ExecutedNode, stopsEarly: boolean): RowsError | undefined {
  const own = ratioOf(node);
  if (own === undefined) return undefined;
  // Fewer rows than expected are no error where nobody asked for the rest.
  if (stopsEarly && own.ratio < 1) return undefined;
  const inputs = inputsOf(node).flatMap((each) => ratioOf(each)?.ratio ?? []);
  // What the input was off by in the same direction is the input's fault, and is found there.
  const blamed = own.ratio >= 1 ? Math.max(1, ...inputs) : Math.min(1, ...inputs);
  const rest = own.ratio / blamed;
  const factor = own.ratio >= 1 ? rest : 1 / rest;
  return factor >= MISESTIMATE_LEAST ? { ...own, factor } : undefined;
}

/** Actual over planned rows of one loop; undefined where the node was not reached. Fewer rows than one count as one, as they do for the planner. */
function ratioOf(
  node: ExecutedNode,
): { readonly planned: number; readonly actual: number; readonly ratio: number } | undefined {
  const rows = node["Actual Rows"];
  if (rows === undefined || (node["Actual Loops"] ?? 0) < 1) return undefined;
  const planned = Math.max(1, node["Plan Rows"]);
  const actual = Math.max(1, rows);
  return { planned, actual, ratio: actual / planned };
}

/** Nodes that give on what they get, and the halves of aggregates that workers make. */
const PASSES = new Set([
  "Sort",
  "Incremental Sort",
  "Gather",
  "Gather Merge",
  "Materialize",
  "Memoize",
]);

function inputsOf(node: ExecutedNode): readonly ExecutedNode[] {
  return (node.Plans ?? [])
    .filter((child) => child["Parent Relationship"] !== "InitPlan")
    .flatMap((child) => {
      const passes =
        PASSES.has(child["Node Type"]) ||
        (node["Partial Mode"] === "Finalize" && child["Partial Mode"] === "Partial");
      if (!passes) return [child];
      return inputsOf({ ...child, "Partial Mode": node["Partial Mode"] ?? "Simple" });
    });
}

async function causeOf(node: ExecutedNode): Promise<Cause | undefined> {
  const type = node["Node Type"];
  if (type === "Aggregate" || type === "Group") return groupsCause(node);
  if (["Nested Loop", "Hash Join", "Merge Join"].includes(type)) return { kind: "join" };
  // A bitmap's rows are judged where they are fetched.
  if (!type.endsWith("Scan") || type === "Bitmap Index Scan") return undefined;
  return conditionsCause(node);
}

async function conditionsCause(node: ExecutedNode): Promise<Cause> {
  const { Schema: schema, "Relation Name": table } = node;
  if (schema === undefined || table === undefined) return { kind: "other" };
  const texts = [node.Filter, node["Recheck Cond"], node["Index Cond"]];
  const { terms, others } = await conditionsOf(
    texts.filter((text) => text !== undefined),
    node.Alias ?? table,
  );
  // Whose fault it is cannot be told where there are conditions of another kind as well.
  if (terms.length === 0 || others > 0) return { kind: "other" };
  return { kind: "columns", schema, table, terms, of: "conditions" };
}

async function groupsCause(node: ExecutedNode): Promise<Cause | undefined> {
  const keys = node["Group Key"] ?? [];
  if (keys.length === 0 || node["Grouping Sets"] !== undefined) return undefined;
  // A worker's part has the groups of all, as far as it has met them.
  if (node["Partial Mode"] === "Partial") return undefined;
  const scans = nodesOf(node).filter((each) => each["Relation Name"] !== undefined);
  const qualifiers = new Set(await Promise.all(keys.map(qualifierOf)));
  const [alias, ...more] = qualifiers;
  const scan =
    alias === undefined && scans.length === 1
      ? scans[0]
      : scans.find((each) => (each.Alias ?? each["Relation Name"]) === alias);
  if (more.length > 0 || !scan) return { kind: "other" };
  const { Schema: schema, "Relation Name": table } = scan;
  if (schema === undefined || table === undefined) return { kind: "other" };
  const terms: Term[] = [];
  for (const key of keys) {
    const term = await groupTerm(key, scan.Alias ?? table);
    if (term === undefined) return { kind: "other" };
    terms.push({ ...term, equal: true });
  }
  return { kind: "columns", schema, table, terms, of: "groups" };
}
