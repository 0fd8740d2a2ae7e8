/** The planner clone as the engine that prices. */
import type { PlannerServer } from "../../core/planner.ts";
import type { PricingEngine } from "./studied.ts";
import { openClone } from "./clone/open.ts";
import type { Snapshot } from "./snapshot/snapshot.ts";
import { measureBuildSpeed, type BuildSpeed } from "./writes/build-estimate.ts";

const BUILD_DATABASE = "perfopt_build_speed";

/** The clone is closed when `use` returns or throws. `now` in milliseconds; absent: builds are not timed. */
export async function withCloneEngine<T>(
  server: PlannerServer,
  snapshot: Snapshot,
  now: (() => number) | undefined,
  use: (engine: PricingEngine) => Promise<T>,
): Promise<T> {
  const buildSpeed = now && (await speedOf(server, snapshot, now));
  const clone = await openClone(server, snapshot);
  try {
    return await use({
      kind: "planner-clone",
      version: server.version,
      whatIf: clone,
      caveats: clone.caveats,
      buildSpeed,
    });
  } finally {
    await clone.close();
  }
}

async function speedOf(
  server: PlannerServer,
  snapshot: Snapshot,
  now: () => number,
): Promise<BuildSpeed> {
  await server.createDatabase(BUILD_DATABASE, snapshot.locale);
  const connection = await server.connect(BUILD_DATABASE);
  try {
    return await measureBuildSpeed(connection, now);
  } finally {
    await connection.close();
  }
}
