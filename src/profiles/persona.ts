/** Persona files: found by path or by name, read, validated. */
import { readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { messageOf, PerfoptError } from "../core/errors.ts";
import type { Persona } from "../core/persona.ts";
import { personaSchema } from "./persona-schema.ts";
import { readSource } from "./source.ts";
import { suggestion } from "./suggest.ts";
import { validate } from "./validate.ts";

export interface PersonaOptions {
  /** Where personas are looked up by name. */
  readonly profilesDir: string;
  /** The tuners that strategies may name. */
  readonly knownTuners: readonly string[];
}

export interface PersonaFile {
  /** By which it is looked up: the file's name without its ending. */
  readonly name: string;
  readonly path: string;
}

const YAML_ENDING = /\.ya?ml$/;

/** A path ends in .yaml or .yml or has a separator; everything else is a name. Throws bad-input with every problem of the file. */
export async function loadPersona(pathOrName: string, options: PersonaOptions): Promise<Persona> {
  const isPath = YAML_ENDING.test(pathOrName) || /[/\\]/.test(pathOrName);
  const path = isPath ? pathOrName : await pathOf(pathOrName, options.profilesDir);
  return validate(await readSource(path), personaSchema(options.knownTuners));
}

/** The persona files of a folder, by name; they are not read, so that a broken one does not hide the others. */
export async function listPersonas(directory: string): Promise<readonly PersonaFile[]> {
  let entries;
  try {
    entries = await readdir(directory, { withFileTypes: true });
  } catch (error) {
    throw new PerfoptError(
      "bad-input",
      `cannot read the folder of personas ${directory}: ${messageOf(error)}`,
      "check the path, or give the persona as a path to its file",
      { cause: error },
    );
  }
  return entries
    .filter((entry) => entry.isFile() && YAML_ENDING.test(entry.name))
    .map((entry) => ({
      name: basename(entry.name).replace(YAML_ENDING, ""),
      path: join(directory, entry.name),
    }))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

async function pathOf(name: string, directory: string): Promise<string> {
  const files = await listPersonas(directory);
  const file = files.find((each) => each.name === name);
  if (file) return file.path;
  const known = files.map((each) => each.name);
  throw new PerfoptError(
    "bad-input",
    `there is no persona "${name}" in ${directory}${suggestion(name, known)}`,
    known.length === 0
      ? "give the path of a persona file"
      : `give one of ${known.join(", ")}, or the path of a persona file`,
  );
}
