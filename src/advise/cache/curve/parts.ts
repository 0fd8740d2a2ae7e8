/** A trace cut into parts by the hash of the key: each has some of the keys, with all of their rows. */
import type { Accesses } from "./accesses.ts";
import { mixed } from "./mixed.ts";

/** Together they are all rows; each stands for the whole trace as a sample of its keys does. */
export function partsOf(accesses: Accesses, count: number): readonly Accesses[] {
  const { key, bytes, operation, sampledShare = 1 } = accesses;
  const partOf = (row: number): number => mixed(key[row] ?? 0) % count;
  return Array.from({ length: count }, (_, part) => {
    let rows = 0;
    for (let row = 0; row < key.length; row += 1) rows += Number(partOf(row) === part);
    const columns = {
      key: new Uint32Array(rows),
      bytes: new Float64Array(rows),
      operation: new Uint8Array(rows),
    };
    let at = 0;
    for (let row = 0; row < key.length; row += 1) {
      if (partOf(row) !== part) continue;
      columns.key[at] = key[row] ?? 0;
      columns.bytes[at] = bytes[row] ?? 0;
      columns.operation[at] = operation?.[row] ?? 0;
      at += 1;
    }
    return { ...accesses, ...columns, sampledShare: sampledShare / count };
  });
}
