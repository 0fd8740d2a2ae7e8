/** Writes profiles/schema/*.json from the schemas in src/profiles; `--check` only says whether they are up to date. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { jsonSchemaFiles } from "../src/profiles/json-schema.ts";

const folder = fileURLToPath(new URL("../profiles/schema", import.meta.url));
const check = process.argv.includes("--check");
let stale = 0;

mkdirSync(folder, { recursive: true });
for (const [name, contents] of Object.entries(jsonSchemaFiles())) {
  const file = join(folder, name);
  if (present(file) === contents) continue;
  stale += 1;
  if (!check) writeFileSync(file, contents);
  process.stdout.write(`profiles/schema/${name} ${check ? "is out of date" : "written"}\n`);
}
if (check && stale > 0) {
  process.stdout.write("run `npx tsx scripts/schemas.ts` and commit the result\n");
  process.exitCode = 1;
}

function present(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}
