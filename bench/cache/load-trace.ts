/** Reads a trace of the data folder for curves: every row is an access, whatever its operation, as the reference has it. */
import { createReadStream } from "node:fs";
import { createGunzip } from "node:zlib";
import type { Accesses } from "../../src/advise/cache/curve/accesses.ts";
import { parseCsvRows } from "../../src/advise/cache/trace/csv.ts";
import { createKeyTable } from "../../src/advise/cache/trace/key-table.ts";

/** `readTrace` would make stores part of the gets before them; here no row may go. */
export async function loadAccesses(file: string): Promise<Accesses> {
  const key: number[] = [];
  const bytes: number[] = [];
  const keyCount = await eachAccess(file, (id, size) => {
    key.push(id);
    bytes.push(size);
  });
  return { key: Uint32Array.from(key), bytes: Uint32Array.from(bytes), keyCount };
}

/** Row by row, keys numbered in order of appearance; returns how many keys there were. */
export async function eachAccess(
  file: string,
  onAccess: (id: number, bytes: number) => void,
): Promise<number> {
  const source = createReadStream(file, { highWaterMark: 256 * 1024 });
  const chunks = file.endsWith(".gz") ? source.pipe(createGunzip()) : source;
  const keys = createKeyTable();
  await parseCsvRows(
    chunks,
    (row) => onAccess(keys.idOf(row.hashHigh ?? 0, row.hashLow ?? 0), row.valueBytes),
    file,
  );
  return keys.size();
}
