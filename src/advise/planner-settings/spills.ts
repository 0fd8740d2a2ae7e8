/** Sorts and hashes of executed plans that went to disk, and how much memory each would have needed. */
import type { Executed } from "../executed/execute.ts";
import { nameOf, nodesOf, type ExecutedNode } from "../executed/node.ts";

export interface Spill {
  readonly statement: string;
  readonly share: number;
  /** `Sort`, `Hash`, `Aggregate`. */
  readonly node: string;
  /** Written to disk by one process; of a hash join PostgreSQL does not say it. */
  readonly diskBytes: number | undefined;
  /** Of work_mem, estimated; generously, since a sort that just does not fit gains nothing. */
  readonly neededBytes: number;
}

const KB = 1024;
/** Of a row in memory beside its columns: header (16), its piece of memory (8) and the sort's own entry (24): 48 were measured of PostgreSQL 18. */
const SORT_ROW_BYTES = 52;
/** Headers (16 and 16) and its bucket (8 and more): 42 were measured. */
const HASH_ROW_BYTES = 48;
/** Entry of the table, first row of the group with its header, and the states of aggregates: 50 with one of them, 118 with three. */
const GROUP_BYTES = 120;
/** What is on disk is packed more tightly than in memory. */
const DISK_TO_MEMORY = 1.2;

/** `hashMultiplier`: hash_mem_multiplier; hashes may take so many times work_mem. */
export function spillsOf(executed: Executed, hashMultiplier: number): readonly Spill[] {
  return nodesOf(executed.plan.root).flatMap((node) => {
    const spill = spillOf(node, hashMultiplier);
    if (!spill) return [];
    return [{ statement: executed.id, share: executed.share, node: nameOf(node), ...spill }];
  });
}

function spillOf(
  node: ExecutedNode,
  hashMultiplier: number,
): Pick<Spill, "diskBytes" | "neededBytes"> | undefined {
  const type = node["Node Type"];
  if (type === "Sort") return sortSpill(node);
  if (type === "Hash") return hashSpill(node, hashMultiplier);
  return type === "Aggregate" ? groupSpill(node, hashMultiplier) : undefined;
}

/** Every worker sorts its own part, in a work_mem of its own. */
function sortSpill(node: ExecutedNode): Pick<Spill, "diskBytes" | "neededBytes"> | undefined {
  const parts = [node, ...(node.Workers ?? [])];
  const onDisk = parts.flatMap((each) =>
    each["Sort Space Type"] === "Disk" ? [(each["Sort Space Used"] ?? 0) * KB] : [],
  );
  if (onDisk.length === 0) return undefined;
  const diskBytes = Math.max(...onDisk);
  const inMemory = rowsOf(node) * (widthOf(node) + SORT_ROW_BYTES);
  return { diskBytes, neededBytes: Math.max(diskBytes * DISK_TO_MEMORY, inMemory) };
}

function hashSpill(
  node: ExecutedNode,
  hashMultiplier: number,
): Pick<Spill, "diskBytes" | "neededBytes"> | undefined {
  if ((node["Hash Batches"] ?? 1) <= 1) return undefined;
  const bytes = rowsOf(node) * (widthOf(node) + HASH_ROW_BYTES);
  const peak = (node["Peak Memory Usage"] ?? 0) * KB;
  // One batch was as large as the peak says, and there were more of them.
  return { diskBytes: undefined, neededBytes: Math.max(bytes, 2 * peak) / hashMultiplier };
}

function groupSpill(
  node: ExecutedNode,
  hashMultiplier: number,
): Pick<Spill, "diskBytes" | "neededBytes"> | undefined {
  const parts = [node, ...(node.Workers ?? [])];
  if (!parts.some((each) => (each["HashAgg Batches"] ?? 1) > 1)) return undefined;
  const diskBytes = Math.max(...parts.map((each) => (each["Disk Usage"] ?? 0) * KB));
  const peak = Math.max(...parts.map((each) => (each["Peak Memory Usage"] ?? 0) * KB));
  // Rows go to disk and not groups, so that it may be far more than the groups need.
  const groups = rowsOf(node) * (widthOf(node) + GROUP_BYTES);
  return { diskBytes, neededBytes: Math.max(groups, 2 * peak) / hashMultiplier };
}

/** Of one loop: of the largest part, where workers share unevenly. */
function rowsOf(node: ExecutedNode): number {
  const workers = (node.Workers ?? []).map((each) => each["Actual Rows"] ?? 0);
  return Math.max(node["Actual Rows"] ?? 0, ...workers);
}

function widthOf(node: ExecutedNode): number {
  return Math.ceil((node["Plan Width"] ?? 0) / 8) * 8;
}
