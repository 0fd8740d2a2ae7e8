/** Which plans another setting would change, asked of the planner alone: the setting holds for one read-only transaction. */
import { PerfoptError } from "../../core/errors.ts";
import type { DatabaseView } from "../../core/observation.ts";
import type { Query } from "../../core/planner.ts";
import { OWN_MARK } from "../../core/sample.ts";
import type { Executed } from "../executed/execute.ts";
import { readExecuted, shapeOf } from "../executed/node.ts";
import type { PlansChanged } from "./idea.ts";

export interface SettingToTry {
  readonly role: PlansChanged["role"];
  /** PostgreSQL's name, and the value as it is written there. */
  readonly name: "random_page_cost" | "effective_cache_size";
  readonly value: string;
  /** As the knob has it. */
  readonly to: number;
}

/** A statement that cannot be planned counts as one whose plan stays. */
export async function plansChanged(
  database: Pick<DatabaseView, "together">,
  executed: readonly Executed[],
  tried: readonly SettingToTry[],
): Promise<readonly PlansChanged[]> {
  if (tried.length === 0) return [];
  const changed = new Map<SettingToTry, string[]>(tried.map((each) => [each, []]));
  for (const { id, planSql } of executed) {
    try {
      await database.together(async (query) => {
        const before = await shape(query, planSql);
        for (const each of tried) {
          const [row] = await query("SELECT current_setting($1) AS value", [each.name]);
          await query("SELECT set_config($1, $2, true)", [each.name, each.value]);
          if ((await shape(query, planSql)) !== before) changed.get(each)?.push(id);
          await query("SELECT set_config($1, $2, true)", [each.name, String(row?.["value"])]);
        }
      });
    } catch (error) {
      if (error instanceof PerfoptError) throw error;
    }
  }
  return tried.map((each) => ({ role: each.role, to: each.to, changed: changed.get(each) ?? [] }));
}

async function shape(query: Query, sql: string): Promise<string> {
  // A line's end closes a comment that the statement may end with.
  const [row] = await query(`EXPLAIN ${OWN_MARK} (FORMAT JSON) ${sql}\n`);
  return shapeOf(readExecuted(String(row?.["QUERY PLAN"] ?? "[]")).root);
}
