/** Writes profiles/schema/*.json and schema/*.json from the schemas in src; `--check` only says whether they are up to date. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { jsonSchemaFiles } from "../src/profiles/json-schema.ts";
import { resultSchemaFiles } from "../src/results/document.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const check = process.argv.includes("--check");
const stale = update("profiles/schema", jsonSchemaFiles()) + update("schema", resultSchemaFiles());
if (check && stale > 0) {
  process.stdout.write("run `npx tsx scripts/schemas.ts` and commit the result\n");
  process.exitCode = 1;
}

/** How many files of a folder are out of date, or were. */
function update(folder: string, files: Readonly<Record<string, string>>): number {
  mkdirSync(join(root, folder), { recursive: true });
  const old = Object.entries(files).filter(
    ([name, contents]) => present(join(root, folder, name)) !== contents,
  );
  for (const [name, contents] of old) {
    if (!check) writeFileSync(join(root, folder, name), contents);
    process.stdout.write(`${folder}/${name} ${check ? "is out of date" : "written"}\n`);
  }
  return old.length;
}

function present(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}
