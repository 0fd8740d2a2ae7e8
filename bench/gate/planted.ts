/** Copies of the bundled registry with a regression planted in them, built, for the gate to find. */
import { execFile } from "node:child_process";
import { cp, mkdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);
const root = fileURLToPath(new URL("../..", import.meta.url));
const BUILD_TIMEOUT_MS = 120_000;

/** Where the registry sets up its server; a planted copy adds a hook there. */
const ANCHOR = "for (const endpoint of apiEndpoints(backend)) addEndpoint(server, endpoint);";

/** TypeScript that every API request of the copy runs before it is answered. */
const PLANTS = {
  nothing: "",
  /** What an ORM adds when a relation becomes lazy. */
  query:
    'await backend.database.query("SELECT count(*) AS planted FROM registered_models WHERE name = $1", ["planted"]);',
  /** What a heavier serialiser or validator adds: work in the process, of which every core-second is real. */
  cpu: 'planted.createHash("sha256").update(plantedBytes).digest();',
  /** What a store in another zone adds: the answer waits, nobody works. */
  dependency: "await new Promise((resolve) => setTimeout(resolve, plantedMs));",
} as const;

export type Plant = keyof typeof PLANTS;

export interface PlantOptions {
  /** Bytes that `cpu` hashes with each request. */
  readonly hashBytes: number;
  /** Milliseconds that `dependency` is slower. */
  readonly dependencyMs: number;
}

/** Makes `folder` a copy of the registry with its target file; returns the folder. Throws when it does not compile. */
export async function plantedCopy(
  folder: string,
  plant: Plant,
  options: PlantOptions,
): Promise<string> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(join(folder, "src"), { recursive: true });
  for (const part of ["src/registry", "profiles", "package.json", "tsconfig.json"]) {
    await cp(join(root, part), join(folder, part), { recursive: true });
  }
  await symlink(join(root, "node_modules"), join(folder, "node_modules"));
  const path = join(folder, "src/registry/server.ts");
  await writeFile(path, planted(await readFile(path, "utf8"), plant, options));
  await build(folder);
  return folder;
}

function planted(source: string, plant: Plant, options: PlantOptions): string {
  if (!source.includes(ANCHOR)) {
    throw new Error("the registry's server has changed: bench/gate/planted.ts must follow");
  }
  const constants = [
    'import * as planted from "node:crypto";',
    `const plantedBytes = Buffer.alloc(${Math.round(options.hashBytes)}, 7);`,
    `const plantedMs = ${options.dependencyMs};`,
    "void [planted, plantedBytes, plantedMs];",
  ];
  const hook = `server.addHook("preHandler", async (request) => {
    if (request.url.startsWith(API_BASE)) { ${PLANTS[plant]} }
  });`;
  const withPlant = source.replace(ANCHOR, `${hook}\n  ${ANCHOR}`);
  return plant === "nothing" ? source : `${constants.join("\n")}\n${withPlant}`;
}

async function build(folder: string): Promise<void> {
  const config = {
    extends: "./tsconfig.json",
    compilerOptions: { noEmit: false, rootDir: "src", outDir: "dist", noUnusedLocals: false },
    include: ["src"],
  };
  await writeFile(join(folder, "tsconfig.build.json"), JSON.stringify(config));
  const compiler = join(root, "node_modules/typescript/bin/tsc");
  await run(process.execPath, [compiler, "-p", "tsconfig.build.json"], {
    cwd: folder,
    timeout: BUILD_TIMEOUT_MS,
  });
}
