/** Compiles src to dist; does nothing where the compiler is not installed (a production install from a clone). */
import { spawnSync } from "node:child_process";
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
if (!existsSync(tsc)) {
  process.stderr.write("typescript is not installed, so nothing was built\n");
  process.exit(0);
}
const dist = join(root, "dist");
rmSync(dist, { recursive: true, force: true });
const result = spawnSync(process.execPath, [tsc, "-p", "tsconfig.build.json"], {
  cwd: root,
  stdio: "inherit",
});
if (result.status === 0) writeFileSync(join(dist, ".built"), "");
process.exit(result.status ?? 1);
