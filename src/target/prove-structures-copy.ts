/** The copy of a run's data in which plans for structures are tried: a clone beside the arms', in the journal before it is made. */
import { messageOf, throwIfAborted } from "../core/errors.ts";
import type { Resource } from "../core/event.ts";
import type { ProveStructures, StructurePlan, StructureProof } from "../core/structure.ts";
import { formatBytes } from "../core/units.ts";
import { cloneDatabase, cloneName, dropClone, type CloneSource } from "./clone.ts";
import { withStructureStand } from "./prove-structures.ts";
import type { Note } from "./resources.ts";
import { numberOf, queryDatabase, withDatabase } from "./sql.ts";

export interface StructureCopyOptions {
  /** Where the data is: nobody else may be connected to it, as when arms are cloned. */
  readonly source: CloneSource;
  readonly runId: string;
  readonly note: Note;
  readonly signal: AbortSignal;
  /** Made by whoever knows statistics. */
  readonly prove: ProveStructures;
}

/** A larger database would take longer to copy than a phase has. */
const BYTES_MAX = 8 * 1024 ** 3;

/** Plans come back as failed where no copy can be made; throws when it is interrupted. The copy is gone afterwards. */
export async function proveOnCopy(
  plans: readonly StructurePlan[],
  limitMs: number,
  options: StructureCopyOptions,
): Promise<readonly StructureProof[]> {
  const { source, runId, note, signal } = options;
  if (plans.length === 0) return [];
  throwIfAborted(signal);
  const started = performance.now();
  const bytes = await bytesOf(source.adminUrl);
  if (bytes > BYTES_MAX)
    return failed(plans, `a copy of ${formatBytes(bytes)} would take too long in a run`);
  const name = cloneName(runId, "structures");
  const resource: Resource = { id: name, kind: "database", name };
  await note({ type: "resource-creating", resource });
  try {
    await cloneDatabase(source, name);
    await note({ type: "resource-created", resource });
    const url = withDatabase(source.adminUrl, name);
    return await withStructureStand({ url, signal }, (stand) =>
      options.prove(stand, plans, limitMs - (performance.now() - started)),
    );
  } catch (error) {
    throwIfAborted(signal);
    return failed(plans, `no copy of the data could be made or used: ${messageOf(error)}`);
  } finally {
    // A copy that cannot be dropped stays in the journal's list, for `perfopt rollback`.
    await dropClone(source.adminUrl, name);
    await note({ type: "resource-removed", resourceId: name });
  }
}

function failed(plans: readonly StructurePlan[], because: string): readonly StructureProof[] {
  return plans.map(({ id }) => ({ plan: id, outcome: { kind: "failed", because } }));
}

async function bytesOf(url: string): Promise<number> {
  const [row] = await queryDatabase(
    url,
    "SELECT pg_database_size(current_database())::float8 AS bytes",
  );
  return numberOf(row, "bytes");
}
