/** What every entry of package.json needs before it can work on a fresh clone: packages, a build, Redis. Plain Node, no packages. */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  accessSync,
  constants,
  existsSync,
  readFileSync,
  readdirSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("..", import.meta.url));

const started = Date.now();

/** A line on stderr with the seconds since the command began. */
export function say(line) {
  process.stderr.write(
    `[${String(Math.round((Date.now() - started) / 1000)).padStart(3)} s] ${line}\n`,
  );
}

export function secondsSoFar() {
  return (Date.now() - started) / 1000;
}

/** Everything, in order; each step is skipped when its result is there already. */
export function setUp() {
  checkNode();
  ensurePackages();
  ensureBuild();
  ensureRedis();
}

function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) return;
  stop(`Node ${process.versions.node} is too old: perfopt needs 20.19 or later.`);
}

export function ensurePackages() {
  const lock = createHash("sha256")
    .update(readFileSync(join(root, "package-lock.json")))
    .digest("hex");
  const stamp = join(root, "node_modules", ".perfopt-lock");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === lock) return;
  say("installing packages (npm ci)");
  run("npm", ["ci", "--no-fund", "--no-audit", "--loglevel=error"], "npm ci");
  writeFileSync(stamp, lock);
}

export function ensureBuild() {
  const stamp = join(root, "dist", ".built");
  if (existsSync(stamp) && statSync(stamp).mtimeMs > newestSource()) return;
  say("building (tsc)");
  run(process.execPath, [join(root, "scripts", "build.mjs")], "the build");
}

function newestSource() {
  const files = readdirSync(join(root, "src"), { recursive: true }).map((file) =>
    join(root, "src", file),
  );
  const inputs = [...files, join(root, "tsconfig.json"), join(root, "tsconfig.build.json")];
  return Math.max(...inputs.map((file) => statSync(file).mtimeMs));
}

/** Redis or Valkey on the PATH; on Debian as root it is installed, elsewhere one sentence says how. */
export function ensureRedis() {
  if (onPath("redis-server") || onPath("valkey-server")) return;
  const canInstall = process.getuid?.() === 0 && onPath("apt-get");
  if (!canInstall) {
    stop(
      "Neither redis-server nor valkey-server is on the PATH: install one, for example with " +
        "`sudo apt-get install redis-server`, `sudo dnf install valkey` or `brew install redis`, and run this again.",
    );
  }
  say("installing redis-server (apt-get)");
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  run("apt-get", ["update", "-qq"], "apt-get update", env);
  run(
    "apt-get",
    ["install", "-y", "-qq", "--no-install-recommends", "redis-server"],
    "apt-get install redis-server",
    env,
  );
}

/** HAProxy for the tests of the gateway that it can stand in for; where it cannot be installed they hold the refusal alone. */
export function tryHaproxy() {
  if (onPath("haproxy")) return;
  if (process.getuid?.() !== 0 || !onPath("apt-get")) {
    say("no haproxy on the PATH: its tests are left out (on Debian: apt-get install haproxy)");
    return;
  }
  say("installing haproxy (apt-get)");
  // Debian would start it as a service too; its configuration as shipped listens nowhere.
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive", RUNLEVEL: "1" };
  const quiet = ["-qq", "-o", "DPkg::Lock::Timeout=60"];
  for (const args of [
    [...quiet, "update"],
    [...quiet, "install", "-y", "--no-install-recommends", "haproxy"],
  ]) {
    const { status } = spawnSync("apt-get", args, { env, stdio: ["ignore", 2, 2] });
    if (status === 0) continue;
    say("haproxy could not be installed: its tests are left out");
    return;
  }
}

function onPath(program) {
  return (process.env.PATH ?? "").split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** Runs a program with its output on stderr, and stops with its status when it fails. */
function run(program, args, what, env = process.env) {
  const result = spawnSync(program, args, { cwd: root, env, stdio: ["ignore", 2, 2] });
  if (result.error) stop(`${what} could not be started: ${result.error.message}`);
  if (result.status !== 0)
    stop(`${what} failed with status ${result.status ?? result.signal}; its output is above.`);
}

/** Runs one of the project's own commands in the foreground and returns its exit status. */
export function runInFront(program, args, env = process.env) {
  const result = spawnSync(program, args, { cwd: root, env, stdio: "inherit" });
  if (result.error) stop(`${program} could not be started: ${result.error.message}`);
  return result.status ?? 1;
}

export function bin(name) {
  return join(root, "node_modules", ".bin", name);
}

function stop(message) {
  process.stderr.write(`${message}\n`);
  process.exit(2);
}
