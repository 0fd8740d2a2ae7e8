/** Profiles written to a temporary folder, and the message with which loading one fails. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import { PerfoptError } from "../../src/core/errors.ts";

export interface Folder {
  readonly path: string;
  /** Writes a file and returns its path. */
  write(name: string, text: string): string;
  remove(): void;
}

export function openFolder(): Folder {
  const path = mkdtempSync(join(tmpdir(), "perfopt-profiles-"));
  return {
    path,
    write(name, text) {
      writeFileSync(join(path, name), text);
      return join(path, name);
    },
    remove: () => rmSync(path, { recursive: true, force: true }),
  };
}

/** The lines of the bad-input error that `load` throws, without the folder. */
export async function problemsOf(folder: Folder, load: () => Promise<unknown>): Promise<string[]> {
  const error: unknown = await load().then(
    () => "nothing was thrown",
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof PerfoptError)) throw error;
  expect(error.code).toBe("bad-input");
  expect(error.hint).not.toBe("");
  return error.message.split("\n").map((line) => line.replaceAll(`${folder.path}/`, ""));
}

/** Replaces text that must be there, so that a case cannot stop testing anything when the base changes. */
export function edit(base: string, from: string, to: string): string {
  if (!base.includes(from)) throw new Error(`the base does not have ${JSON.stringify(from)}`);
  return base.replace(from, () => to);
}
