/** A fingerprint of a program's own files, so that a changed schema or seed is noticed. */
import { createHash, type Hash } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { dirname, extname, relative, resolve } from "node:path";
import type { Command } from "../core/target-file.ts";

/** Follows imports this far: a seed program is small, and a wrong guess must not read a whole disk. */
const FILES_MAX = 500;
const EXTENSIONS = ["", ".ts", ".js", ".mjs", ".cjs", "/index.ts", "/index.js"];
const IMPORT = /(?:from|import|require)\s*\(?\s*["'](\.{1,2}\/[^"']+)["']/g;

/** Of the files that the command's arguments name, and of what they import by relative paths; other languages' imports are not followed. */
export async function fingerprint(command: Command): Promise<string> {
  const hash = createHash("sha256");
  const seen = new Set<string>();
  const waiting: string[] = [];
  for (const argument of [command.program, ...command.args]) {
    const path = await existingFile(resolve(command.directory, argument));
    if (path !== undefined) waiting.push(path);
  }
  for (
    let path = waiting.shift();
    path !== undefined && seen.size < FILES_MAX;
    path = waiting.shift()
  ) {
    if (seen.has(path)) continue;
    seen.add(path);
    waiting.push(...(await addFile(hash, path, command.directory)));
  }
  return hash.digest("hex");
}

/** Adds a file's name and content; returns the files that it imports. */
async function addFile(hash: Hash, path: string, root: string): Promise<readonly string[]> {
  const text = await readFile(path, "utf8");
  hash.update(`${relative(root, path)}\0${text}\0`);
  if (!/\.[mc]?[jt]s$/.test(extname(path))) return [];
  const imported: string[] = [];
  for (const [, specifier = ""] of text.matchAll(IMPORT)) {
    const file = await firstFile(resolve(dirname(path), specifier));
    if (file !== undefined) imported.push(file);
  }
  return imported;
}

async function firstFile(base: string): Promise<string | undefined> {
  for (const extension of EXTENSIONS) {
    const file = await existingFile(`${base}${extension}`);
    if (file !== undefined) return file;
  }
  return undefined;
}

async function existingFile(path: string): Promise<string | undefined> {
  try {
    return (await stat(path)).isFile() ? path : undefined;
  } catch {
    return undefined;
  }
}
