/** The package that `npm pack` makes: its `perfopt` runs when it is installed somewhere else. */
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";

const exec = promisify(execFile);
const root = resolve(import.meta.dirname, "..");
let folder = "";

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "perfopt pack "));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

interface Packed {
  readonly filename: string;
  readonly files: readonly { readonly path: string }[];
}

/** npm 10 prints a list of packages, npm 11 and later may print an object by name. */
function firstOf(printed: Record<string, Packed>): Packed {
  const [first] = Object.values(printed);
  if (!first) throw new Error("npm pack printed no package");
  return first;
}

test("npm pack, installed elsewhere, runs", { timeout: 300_000 }, async () => {
  const packed = await exec(
    "npm",
    ["pack", "--json", "--ignore-scripts", "--pack-destination", folder],
    { cwd: root },
  );
  const { filename, files } = firstOf(JSON.parse(packed.stdout));
  const paths = files.map((each) => each.path);
  expect(paths).toContain("dist/cli/main.js");
  expect(paths).toContain("dist/registry/main.js");
  expect(paths).toContain("profiles/targets/model-registry.yaml");
  expect(paths.filter((path) => /^(?:test|bench|src|reports|scripts)\//.test(path))).toEqual([]);

  const elsewhere = join(folder, "elsewhere");
  await exec("mkdir", [elsewhere]);
  await writeFile(join(elsewhere, "package.json"), '{ "private": true }');
  await exec(
    "npm",
    ["install", "--prefer-offline", "--no-audit", "--no-fund", join(folder, filename)],
    {
      cwd: elsewhere,
    },
  );
  const perfopt = join(elsewhere, "node_modules", ".bin", "perfopt");
  const list = await exec(perfopt, ["personas", "list"], { cwd: elsewhere });
  expect(list.stdout).toContain("speed-runner");
  const plan = await exec(perfopt, ["run", "--persona", "speed-runner", "--dry-run"], {
    cwd: elsewhere,
  });
  expect(plan.stdout + plan.stderr).toContain("Micro-cache");
});
