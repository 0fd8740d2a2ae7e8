/** A DatabaseView of a real database, as the target's adapter gives one, for tests of what reads it. */
import type { DatabaseView } from "../../src/core/observation.ts";
import { databaseView } from "../../src/target/view.ts";
import { neverAborted } from "../integration/stores.ts";

/** `home` holds the planner's servers while they are open, and the templates that they are copied from. */
export function viewOf(url: string, home: string): DatabaseView {
  return databaseView({ url, home, signal: neverAborted, environment: process.env });
}
