/** A scratch database as a what-if machine: candidates are built for real, and hidden again plan by plan. */
import { messageOf } from "../../core/errors.ts";
import type { IndexDefinition } from "../../core/knob.ts";
import type { ScratchDatabase } from "../../core/observation.ts";
import { createIndexSql, qualifiedName } from "./name.ts";

export interface PlanCost {
  /** The planner's total cost. */
  readonly cost: number;
  /** Names of the indexes that the plan reads. */
  readonly indexes: readonly string[];
}

export type Explained =
  | { readonly kind: "plan"; readonly plan: PlanCost }
  | { readonly kind: "failed"; readonly because: string };

export type Built =
  | { readonly kind: "built"; readonly bytes: number }
  | { readonly kind: "failed"; readonly because: string };

/**
 * Inside one statement: drop the hidden indexes, plan, and roll the drops back by raising an error that carries nothing. So any
 * subset of the built indexes can be costed without building twice, and without rights beyond owning the tables.
 */
const PLAN_FUNCTION = `
  CREATE FUNCTION perfopt_scratch.plan(statement text, hidden json) RETURNS text LANGUAGE plpgsql AS $function$
  DECLARE plan json; name text;
  BEGIN
    BEGIN
      FOR name IN SELECT json_array_elements_text(hidden) LOOP EXECUTE 'DROP INDEX ' || name; END LOOP;
      EXECUTE 'EXPLAIN (GENERIC_PLAN, FORMAT JSON) ' || statement INTO plan;
      RAISE EXCEPTION USING ERRCODE = 'PX001';
    EXCEPTION WHEN SQLSTATE 'PX001' THEN RETURN plan::text;
    END;
  END $function$`;

export async function prepareScratch(scratch: ScratchDatabase): Promise<void> {
  await scratch.query("DROP SCHEMA IF EXISTS perfopt_scratch CASCADE");
  await scratch.query("CREATE SCHEMA perfopt_scratch");
  await scratch.query(PLAN_FUNCTION);
}

/** Builds an index; its size is measured, not estimated. */
export async function buildIndex(scratch: ScratchDatabase, index: IndexDefinition): Promise<Built> {
  try {
    await scratch.query(createIndexSql(index));
    const name = qualifiedName(index.schema, index.name);
    const [row] = await scratch.query("SELECT pg_relation_size($1::regclass)::float8 AS bytes", [
      name,
    ]);
    return { kind: "built", bytes: Number(row?.["bytes"] ?? 0) };
  } catch (error) {
    return { kind: "failed", because: messageOf(error) };
  }
}

/** The generic plan of a statement while these indexes are hidden. */
export async function explain(
  scratch: ScratchDatabase,
  sql: string,
  hidden: readonly IndexDefinition[],
): Promise<Explained> {
  const names = hidden.map((index) => qualifiedName(index.schema, index.name));
  try {
    const [row] = await scratch.query("SELECT perfopt_scratch.plan($1, $2::json) AS plan", [
      sql,
      JSON.stringify(names),
    ]);
    const plan = rootOf(JSON.parse(String(row?.["plan"])));
    if (!plan) return { kind: "failed", because: "EXPLAIN returned no plan" };
    return {
      kind: "plan",
      plan: { cost: plan["Total Cost"], indexes: [...new Set(indexesOf(plan))] },
    };
  } catch (error) {
    return { kind: "failed", because: messageOf(error) };
  }
}

interface PlanNode {
  readonly "Total Cost": number;
  readonly "Index Name"?: string;
  readonly Plans?: readonly PlanNode[];
}

/** EXPLAIN (FORMAT JSON) gives an array of one object with the root under "Plan". */
function rootOf(explained: unknown): PlanNode | undefined {
  const first: unknown = Array.isArray(explained) ? explained[0] : undefined;
  if (typeof first !== "object" || first === null || !("Plan" in first)) return undefined;
  return isPlanNode(first.Plan) ? first.Plan : undefined;
}

function isPlanNode(value: unknown): value is PlanNode {
  return (
    typeof value === "object" &&
    value !== null &&
    "Total Cost" in value &&
    typeof value["Total Cost"] === "number" &&
    (!("Plans" in value) || (Array.isArray(value.Plans) && value.Plans.every(isPlanNode)))
  );
}

function indexesOf(node: PlanNode): readonly string[] {
  const own = node["Index Name"];
  return [...(own === undefined ? [] : [own]), ...(node.Plans ?? []).flatMap(indexesOf)];
}
