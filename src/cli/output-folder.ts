/** The folder of --output, made where it is missing. */
import { mkdir, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { messageOf, PerfoptError } from "../core/errors.ts";
import type { Context } from "./context.ts";

/** Asked before anything is measured. Undefined when none was given; throws bad-input for one that cannot be made. */
export async function outputFolder(
  context: Context,
  output: string | undefined,
): Promise<string | undefined> {
  if (output === undefined) return undefined;
  const folder = resolve(context.directory, output);
  try {
    await makeFolder(folder);
  } catch (error) {
    throw new PerfoptError(
      "bad-input",
      `--output ${output}: the folder could not be made: ${messageOf(error)}`,
      "name a folder that may be written to",
    );
  }
  return folder;
}

/** One by one from the nearest that exists: Node's recursive mkdir never ends where a file system refuses with ENOENT, as /proc does. */
async function makeFolder(folder: string): Promise<void> {
  const missing: string[] = [];
  let nearest = folder;
  let found = await statOf(nearest);
  while (!found && dirname(nearest) !== nearest) {
    missing.unshift(nearest);
    nearest = dirname(nearest);
    found = await statOf(nearest);
  }
  if (found && !found.isDirectory()) throw new Error(`${nearest} is no folder`);
  for (const each of missing) await makeOne(each);
}

/** Somebody else may have made it meanwhile. */
async function makeOne(folder: string): Promise<void> {
  try {
    await mkdir(folder);
  } catch (error) {
    if (!(await statOf(folder))?.isDirectory()) throw error;
  }
}

/** Undefined for what is not there; what may not be looked at is thrown. */
async function statOf(path: string) {
  try {
    return await stat(path);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}
