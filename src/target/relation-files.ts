/** Files of a server's relations, read and written behind its back: sparse, in PostgreSQL's segments of 1 GiB. */
import { constants } from "node:fs";
import { open, rm, stat, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import type { RelationFiles } from "../core/planner.ts";
import { isMissing } from "./home.ts";

const BLOCK_BYTES = 8192;
/** RELSEG_SIZE times BLCKSZ (md.c). */
const SEGMENT_BYTES = 1024 ** 3;

/** What pg_relation_filepath answers: base/5/1259, global/1262, pg_tblspc/1/PG_18_1/5/9. */
const PATH = /^(?:base|global|pg_tblspc)(?:\/\w+)+$/;

/** `user` owns the data folder; undefined for perfopt's own. */
export function relationFiles(
  dataFolder: string,
  user: { readonly uid: number; readonly gid: number } | undefined,
): RelationFiles {
  const segment = (path: string, number: number) => {
    if (!PATH.test(path)) throw new Error(`${path} is no path of a relation's file`);
    return join(dataFolder, number === 0 ? path : `${path}.${number}`);
  };
  const opened = async <T>(file: string, use: (handle: FileHandle) => Promise<T>): Promise<T> => {
    const handle = await open(file, constants.O_RDWR | constants.O_CREAT, 0o600);
    try {
      if (user && (await handle.stat()).uid !== user.uid) await handle.chown(user.uid, user.gid);
      return await use(handle);
    } finally {
      await handle.close();
    }
  };
  const blocks = async (path: string) => {
    let bytes = 0;
    for (let number = 0; ; number += 1) {
      const size = await sizeOf(segment(path, number));
      bytes += size ?? 0;
      if (size === undefined || size < SEGMENT_BYTES) return bytes / BLOCK_BYTES;
    }
  };
  return {
    blocks,
    setBlocks: async (path, wanted) => {
      const bytes = wanted * BLOCK_BYTES;
      // An exact multiple of a segment still has its last file, full.
      const last = Math.max(0, Math.ceil(bytes / SEGMENT_BYTES) - 1);
      for (let number = 0; number <= last; number += 1) {
        const size = number < last ? SEGMENT_BYTES : bytes - last * SEGMENT_BYTES;
        await opened(segment(path, number), (handle) => handle.truncate(size));
      }
      for (let number = last + 1; ; number += 1) {
        const surplus = segment(path, number);
        if ((await sizeOf(surplus)) === undefined) return;
        await rm(surplus, { force: true });
      }
    },
    read: async (path, offset, length) => {
      const bytes = new Uint8Array(length);
      for (const part of partsOf(offset, length)) {
        const target = bytes.subarray(part.from, part.from + part.length);
        await opened(segment(path, part.segment), async (handle) => {
          const { bytesRead } = await handle.read(target, 0, part.length, part.offset);
          if (bytesRead < part.length) throw new Error(`${path} ends before ${offset + length}`);
        });
      }
      return bytes;
    },
    write: async (path, offset, bytes) => {
      for (const part of partsOf(offset, bytes.length)) {
        const source = bytes.subarray(part.from, part.from + part.length);
        await opened(segment(path, part.segment), (handle) =>
          handle.write(source, 0, part.length, part.offset),
        );
      }
    },
  };
}

interface Part {
  readonly segment: number;
  /** In the segment's file. */
  readonly offset: number;
  /** In the bytes read or written. */
  readonly from: number;
  readonly length: number;
}

function partsOf(offset: number, length: number): readonly Part[] {
  const parts: Part[] = [];
  for (let from = 0; from < length;) {
    const at = offset + from;
    const inside = at % SEGMENT_BYTES;
    const part = Math.min(length - from, SEGMENT_BYTES - inside);
    parts.push({ segment: Math.floor(at / SEGMENT_BYTES), offset: inside, from, length: part });
    from += part;
  }
  return parts;
}

async function sizeOf(file: string): Promise<number | undefined> {
  try {
    return (await stat(file)).size;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}
