/** What perfopt has applied to the real target: the knob values that the service starts with, and the indexes, statistics and settings it made in the database. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { PerfoptError } from "../core/errors.ts";
import type { KnobValue } from "../core/knob.ts";
import type { SettingPlace } from "../core/knob-text.ts";
import { isMissing, makeFolder, targetFolder, writeDurably } from "./home.ts";

export interface OwnIndex {
  /** Which of the target's databases, as Source.id. */
  readonly database: string;
  readonly schema: string;
  readonly name: string;
}

/** Extended statistics that perfopt made. */
export type OwnStatistics = OwnIndex;

/** A setting of PostgreSQL that perfopt made for the service's role in its database. */
export interface OwnSetting extends SettingPlace {
  /** Which of the target's servers and databases, as Source.id. */
  readonly source: string;
  /** The text of the entry that was there before; null: there was none. */
  readonly before: string | null;
  /** The knob's value before: to go back to it is to put the entry back. */
  readonly from: KnobValue;
  /** Every text that perfopt has given it, or was about to: any other one is somebody else's. */
  readonly written: readonly string[];
}

export interface Applied {
  readonly values: Readonly<Record<string, KnobValue>>;
  /** Recorded before they are built, so that no undo ever drops an index that somebody else made. */
  readonly indexes: readonly OwnIndex[];
  /** Likewise. */
  readonly statistics: readonly OwnStatistics[];
  /** Recorded before they are changed, with what was there: also a killed perfopt's change can be taken back. */
  readonly settings: readonly OwnSetting[];
}

const NOTHING: Applied = { values: {}, indexes: [], statistics: [], settings: [] };

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
    // What an older perfopt wrote knows fewer kinds.
    const applied: Partial<Applied> = JSON.parse(text);
    return { ...NOTHING, ...applied };
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
