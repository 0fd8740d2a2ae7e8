/** The source's planner settings, in a session of the clone. */
import { messageOf } from "../../../core/errors.ts";
import { quoteName, quoteText } from "../../../core/index-definition.ts";
import type { PlannerConnection } from "../../../core/planner.ts";
import { isPlannerSetting } from "../snapshot/settings.ts";
import type { Snapshot, SnapshotSetting } from "../snapshot/snapshot.ts";

/** Returns which settings could not be taken over. */
export async function applySettings(
  connection: PlannerConnection,
  snapshot: Snapshot,
): Promise<readonly string[]> {
  const caveats: string[] = [];
  for (const setting of snapshot.settings) {
    if (!isPlannerSetting(setting.name)) continue;
    try {
      await connection.query("SELECT set_config($1, $2, false)", [
        setting.name,
        settingValue(setting),
      ]);
    } catch (error) {
      caveats.push(`setting ${setting.name} not taken over: ${messageOf(error)}`);
    }
  }
  const path = snapshot.searchPath.map(quoteName).join(", ");
  await connection.script(
    `SET search_path = ${path === "" ? "''" : path}; SET client_min_messages = error;
     SET lock_timeout = ${quoteText("10s")}; SET idle_in_transaction_session_timeout = 0`,
  );
  return caveats;
}

/** As SET takes it: `pg_settings` counts some settings in blocks. */
export function settingValue({ value, unit }: SnapshotSetting): string {
  if (unit === null || unit === "") return value;
  const blocks = /^(\d+)kB$/.exec(unit);
  if (blocks) return `${Number(value) * Number(blocks[1])}kB`;
  return `${value}${unit}`;
}
