/** The folder of --output, made where it is missing. */
import { mkdir } from "node:fs/promises";
import { resolve } from "node:path";
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
    await mkdir(folder, { recursive: true });
  } catch (error) {
    throw new PerfoptError(
      "bad-input",
      `--output ${output}: the folder could not be made: ${messageOf(error)}`,
      "name a folder that may be written to",
    );
  }
  return folder;
}
