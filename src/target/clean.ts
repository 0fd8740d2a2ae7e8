/** What a target takes on disk, and its removal. */
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { PerfoptError } from "../core/errors.ts";
import type { TargetFile } from "../core/target-file.ts";
import { readApplied } from "./applied.ts";
import { folderBytes, isMissing, targetFolder } from "./home.ts";
import { lockHolder } from "./lock.ts";
import { targetState } from "./up.ts";

/**
 * Removes a target's seeded clusters, and with them what was applied to it; returns the bytes that this freed. Throws PerfoptError while
 * the target is in use, and while something of perfopt's is in a database that this does not remove.
 */
export async function cleanTarget(
  home: string,
  { name, postgres }: Pick<TargetFile, "name" | "postgres">,
): Promise<number> {
  const folder = targetFolder(home, name);
  if (postgres.kind === "url") await refuseWhenApplied(home, name);
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

/** Without perfopt's notes of it, no rollback would know what it made and what was there before. */
async function refuseWhenApplied(home: string, name: string): Promise<void> {
  const { indexes, statistics, settings } = await readApplied(home, name);
  const made = [
    ...indexes.map((index) => `index ${index.schema}.${index.name}`),
    ...statistics.map((each) => `statistics ${each.schema}.${each.name}`),
    ...settings.map(({ parameter, role }) => `${parameter} of role ${role}`),
  ];
  if (made.length === 0) return;
  throw new PerfoptError(
    "bad-input",
    `perfopt's ${made.join(", ")} ${made.length === 1 ? "is" : "are"} applied to the database of ${name}, which is yours and stays`,
    `undo it first: \`perfopt status\` names the runs, \`perfopt rollback RUN\` undoes one (to keep it for good, remove ${targetFolder(home, name)} by hand)`,
  );
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
