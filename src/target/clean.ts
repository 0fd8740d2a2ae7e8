/** What a target takes on disk, and its removal. */
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { PerfoptError } from "../core/errors.ts";
import { folderBytes, isMissing, targetFolder } from "./home.ts";
import { lockHolder } from "./lock.ts";
import { targetState } from "./up.ts";

/**
 * Removes a target's seeded clusters, and with them what was applied to it; returns the bytes that this freed.
 * Throws PerfoptError while the target is in use.
 */
export async function cleanTarget(home: string, name: string): Promise<number> {
  const folder = targetFolder(home, name);
  const pid = (await targetState(home, name))?.processes[0]?.pid ?? (await userOf(folder));
  if (pid !== undefined) {
    throw new PerfoptError(
      "cannot-measure",
      `target ${name} is in use by process ${pid}, so ${folder} stays`,
      "run `perfopt target down`, or wait until the run has ended",
    );
  }
  const bytes = await folderBytes(folder);
  await rm(folder, { recursive: true, force: true });
  return bytes;
}

/** Bytes of everything that perfopt keeps of a target. */
export function targetSize(home: string, name: string): Promise<number> {
  return folderBytes(targetFolder(home, name));
}

/** A process that holds one of the target's clusters. */
async function userOf(folder: string): Promise<number | undefined> {
  try {
    for (const entry of await readdir(folder, { withFileTypes: true })) {
      const pid = entry.isDirectory() ? await lockHolder(join(folder, entry.name)) : undefined;
      if (pid !== undefined) return pid;
    }
    return undefined;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}
