/** Names for what a plan makes: none that is taken, since the plan's way back drops what has that name. */
import { shortName } from "../../core/index-definition.ts";
import type { Snapshot } from "../indexes/snapshot/snapshot.ts";

export function freeName(snapshot: Snapshot, schema: string, wanted: string): string {
  const { tables, views, indexes, sequences = [] } = snapshot;
  const taken = new Set(
    [...tables, ...views, ...indexes, ...sequences].flatMap((each) =>
      each.schema === schema ? [each.name] : [],
    ),
  );
  let name = shortName(wanted);
  for (let number = 2; taken.has(name); number += 1) name = shortName(`${wanted}_v${number}`);
  return name;
}
