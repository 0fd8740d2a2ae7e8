/** Plans as EXPLAIN (ANALYZE, FORMAT JSON) gives them after an execution: the fields that are read here, and ways through the tree. */

/** A node of an executed plan. Rows are of one loop, on average; sizes are in kB, as PostgreSQL prints them. */
export interface ExecutedNode {
  readonly "Node Type": string;
  readonly "Plan Rows": number;
  readonly "Plan Width"?: number;
  readonly "Actual Rows"?: number;
  /** 0: never reached. */
  readonly "Actual Loops"?: number;
  readonly "Parent Relationship"?: string;
  readonly "Parallel Aware"?: boolean;
  readonly "Partial Mode"?: string;
  readonly "Join Type"?: string;
  readonly "Relation Name"?: string;
  readonly "Index Name"?: string;
  readonly Schema?: string;
  readonly Alias?: string;
  readonly Filter?: string;
  readonly "Index Cond"?: string;
  readonly "Recheck Cond"?: string;
  readonly "Group Key"?: readonly string[];
  readonly "Grouping Sets"?: unknown;
  readonly "Sort Method"?: string;
  readonly "Sort Space Used"?: number;
  readonly "Sort Space Type"?: string;
  readonly "Hash Batches"?: number;
  readonly "HashAgg Batches"?: number;
  readonly "Peak Memory Usage"?: number;
  readonly "Disk Usage"?: number;
  readonly Workers?: readonly Partial<ExecutedNode>[];
  readonly Plans?: readonly ExecutedNode[];
}

export interface ExecutedPlan {
  readonly root: ExecutedNode;
  /** The server's own time, without planning. */
  readonly executionMs: number;
  /** Functions that were compiled, and how long that took; undefined where it was not timed. */
  readonly jit?: { readonly functions: number; readonly totalMs: number | undefined };
}

interface Explained {
  readonly Plan: ExecutedNode;
  readonly "Execution Time"?: number;
  readonly JIT?: {
    readonly Functions: number;
    readonly Timing?: { readonly Total: number | object };
  };
}

/** Throws for what is no plan. */
export function readExecuted(json: string): ExecutedPlan {
  const [explained]: readonly Explained[] = JSON.parse(json);
  if (!explained) throw new Error("EXPLAIN answered without a plan");
  const { Plan: root, JIT: jit } = explained;
  const total = jit?.Timing?.Total;
  return {
    root,
    executionMs: explained["Execution Time"] ?? 0,
    ...(jit && jit.Functions > 0
      ? {
          jit: {
            functions: jit.Functions,
            totalMs: typeof total === "number" ? total : undefined,
          },
        }
      : {}),
  };
}

/** A node and all below it. */
export function nodesOf(node: ExecutedNode): readonly ExecutedNode[] {
  return [node, ...(node.Plans ?? []).flatMap(nodesOf)];
}

/** Nodes, relations and indexes in the order of the plan: two equal ones are the same plan, whatever it costs. */
export function shapeOf(node: ExecutedNode): string {
  return JSON.stringify(outline(node));
}

function outline(node: ExecutedNode): unknown {
  return [
    node["Node Type"],
    node["Join Type"],
    node["Partial Mode"],
    node.Alias ?? node["Relation Name"],
    node["Index Name"],
    (node.Plans ?? []).map(outline),
  ];
}

/** For people: `Seq Scan on runs`, `HashAggregate`. */
export function nameOf(node: ExecutedNode): string {
  const relation = node["Relation Name"];
  return relation === undefined ? node["Node Type"] : `${node["Node Type"]} on ${relation}`;
}
