/** The planner's settings as the service's own sessions have them, for what perfopt asks in a session of another role. */
import type { KnobValue } from "../../core/knob.ts";
import type { DatabaseView, TargetView } from "../../core/observation.ts";

/** The same view; each transaction begins with the values of the knobs that are PostgreSQL's settings. */
export function asTheService(
  view: Pick<TargetView, "knobs" | "values" | "database">,
): DatabaseView {
  const settings = view.knobs.flatMap(({ id, set, domain, default: initial }) =>
    set.kind === "postgres"
      ? [{ name: set.parameter, value: settingText(view.values[id] ?? initial, domain.kind) }]
      : [],
  );
  const { database } = view;
  return {
    ...database,
    together: (use) =>
      database.together(async (query) => {
        for (const { name, value } of settings) {
          await query("SELECT set_config($1, $2, true)", [name, value]);
        }
        return use(query);
      }),
  };
}

/** As PostgreSQL reads it. */
export function settingText(value: KnobValue, kind: string): string {
  if (typeof value === "boolean") return value ? "on" : "off";
  if (typeof value === "number" && kind === "bytes") return `${Math.floor(value / 1024)}kB`;
  return kind === "duration" ? `${value}ms` : String(value);
}
