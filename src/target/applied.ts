/** What perfopt has applied to the real target: the knob values that the service starts with, and the indexes it made. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { PerfoptError } from "../core/errors.ts";
import type { KnobValue } from "../core/knob.ts";
import { isMissing, makeFolder, targetFolder, writeDurably } from "./home.ts";

export interface OwnIndex {
  /** Which of the target's databases, as Source.id. */
  readonly database: string;
  readonly schema: string;
  readonly name: string;
}

export interface Applied {
  readonly values: Readonly<Record<string, KnobValue>>;
  /** Recorded before they are built, so that no undo ever drops an index that somebody else made. */
  readonly indexes: readonly OwnIndex[];
}

const NOTHING: Applied = { values: {}, indexes: [] };

export async function readApplied(home: string, target: string): Promise<Applied> {
  const path = appliedPath(home, target);
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if (isMissing(error)) return NOTHING;
    throw error;
  }
  try {
    const applied: Applied = JSON.parse(text);
    return applied;
  } catch (error) {
    throw new PerfoptError(
      "bad-input",
      `${path} is damaged`,
      "remove it: the service then starts with the defaults of its target file",
      { cause: error },
    );
  }
}

export async function writeApplied(
  home: string,
  target: string,
  applied: Applied,
): Promise<string> {
  await makeFolder(targetFolder(home, target));
  const path = appliedPath(home, target);
  await writeDurably(path, `${JSON.stringify(applied, null, 2)}\n`);
  return path;
}

function appliedPath(home: string, target: string): string {
  return join(targetFolder(home, target), "applied.json");
}
