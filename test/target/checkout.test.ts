import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, readdir, realpath, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Command, TargetFile } from "../../src/core/target-file.ts";
import { buildTarget } from "../../src/target/build.ts";
import { checkoutRef, targetIn, type Checkout } from "../../src/target/checkout.ts";
import {
  defaultBaseRef,
  hasUncommittedChanges,
  mergeBase,
  resolveCommit,
  type Repository,
} from "../../src/target/git.ts";
import { takeLock } from "../../src/target/lock.ts";
import { fixtureTarget, neverAborted } from "../integration/stores.ts";

let folder: string;
let directory: string;
let home: string;
let repository: Repository;
let open: Checkout[] = [];

beforeEach(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), "perfopt git-")));
  home = join(folder, "home");
  directory = join(folder, "a project");
  await mkdir(join(directory, "service"), { recursive: true });
  repository = { directory, environment: process.env, signal: neverAborted };
  git("init", "--quiet", "--initial-branch=main");
  git("config", "user.name", "Test");
  git("config", "user.email", "test@example.org");
  await commit("one");
});
afterEach(async () => {
  for (const each of open) await each.close();
  open = [];
  await rm(folder, { recursive: true, force: true });
});

function git(...args: readonly string[]): string {
  return execFileSync("git", ["-C", directory, ...args], { encoding: "utf8" }).trim();
}

async function commit(text: string): Promise<string> {
  await writeFile(join(directory, "service", "version.txt"), text);
  git("add", ".");
  git("commit", "--quiet", "-m", text);
  return git("rev-parse", "HEAD");
}

async function checkout(ref: string, lines: string[] = []): Promise<Checkout> {
  const made = await checkoutRef({
    repository,
    ref,
    home,
    onProgress: (line) => void lines.push(line),
  });
  open.push(made);
  return made;
}

function node(code: string): Command {
  return { program: "node", args: ["-e", code], directory: join(directory, "service") };
}

function target(build: readonly Command[]): TargetFile {
  const fixture = fixtureTarget();
  return { ...fixture, service: { ...fixture.service, start: node(""), build } };
}

function build(targetFile: TargetFile, made?: Checkout, signal = neverAborted) {
  return buildTarget(targetFile, {
    ...(made ? { checkout: made } : {}),
    environment: process.env,
    logPath: join(folder, "logs", "build.log"),
    timeoutMs: 20_000,
    onProgress: () => {},
    signal,
  });
}

describe("refs", () => {
  test("a branch, a tag, a short id and HEAD~1 name commits; what names none is an error that says so", async () => {
    const one = git("rev-parse", "HEAD");
    const two = await commit("two");
    git("tag", "v2");
    expect(await resolveCommit(repository, "v2")).toBe(two);
    expect(await resolveCommit(repository, "HEAD~1")).toBe(one);
    expect(await resolveCommit(repository, two.slice(0, 8))).toBe(two);
    for (const ref of ["no-such", "--output=x", "", "HEAD:service"]) {
      await expect(resolveCommit(repository, ref)).rejects.toMatchObject({
        code: "bad-input",
        message: expect.stringContaining("names no commit"),
        hint: expect.stringContaining("fetch-depth"),
      });
    }
  });

  test("the merge base, and where HEAD left the main branch", async () => {
    const one = git("rev-parse", "HEAD");
    git("checkout", "--quiet", "-b", "change");
    const change = await commit("change");
    git("checkout", "--quiet", "main");
    const main = await commit("main goes on");
    git("checkout", "--quiet", "change");
    expect(await mergeBase(repository, "main", "change")).toBe(one);
    expect(await defaultBaseRef(repository)).toEqual({
      commit: one,
      how: "the merge base of HEAD and main",
    });
    // What origin calls its main branch comes first, whatever its name.
    git("update-ref", "refs/remotes/origin/trunk", change);
    git("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/trunk");
    expect(await defaultBaseRef(repository)).toEqual({
      commit: change,
      how: "the merge base of HEAD and origin/trunk",
    });
    git("checkout", "--quiet", "--orphan", "alone");
    await commit("alone");
    await expect(mergeBase(repository, main, "alone")).rejects.toThrow(/no commit in common/);
  });

  test("without a main branch, outside of a repository and without git: what to do", async () => {
    git("branch", "-m", "work");
    await expect(defaultBaseRef(repository)).rejects.toMatchObject({
      code: "bad-input",
      hint: expect.stringContaining("--base"),
    });
    const outside = { ...repository, directory: folder };
    await expect(
      checkoutRef({ repository: outside, ref: "main", home, onProgress: () => {} }),
    ).rejects.toThrow(/not in the working tree of a git repository/);
    const without = { ...repository, environment: { PATH: "/nowhere" } };
    await expect(resolveCommit(without, "HEAD")).rejects.toMatchObject({
      code: "bad-input",
      message: "git is not on the PATH",
    });
  });

  test("git's own variables of a hook do not lead elsewhere", async () => {
    const environment = { ...process.env, GIT_DIR: "/nowhere", GIT_INDEX_FILE: "/nowhere/index" };
    expect(await resolveCommit({ ...repository, environment }, "HEAD")).toBe(
      git("rev-parse", "HEAD"),
    );
  });
});

describe("checkouts", () => {
  test("has the commit's files, and leaves the working tree, the index and the branch as they are", async () => {
    await commit("two");
    await writeFile(join(directory, "service", "version.txt"), "not committed");
    await writeFile(join(directory, "new.txt"), "new");
    git("add", "new.txt");
    const before = git("status", "--porcelain");
    const index = join(directory, ".git", "index");
    const then = await stat(index);
    expect(await hasUncommittedChanges(repository)).toBe(true);
    const made = await checkout("HEAD~1");
    const now = await stat(index);
    expect([now.mtimeMs, now.ino]).toEqual([then.mtimeMs, then.ino]);
    expect(await readFile(join(made.directory, "service", "version.txt"), "utf8")).toBe("one");
    expect(made.commit).toBe(git("rev-parse", "HEAD~1"));
    expect(git("status", "--porcelain")).toBe(before);
    expect(git("branch", "--show-current")).toBe("main");
    expect(git("branch", "--list")).toBe("* main");
  });

  test("a hook of the repository does not run", async () => {
    await writeFile(
      join(directory, ".git", "hooks", "post-checkout"),
      `#!/bin/sh\ntouch "${folder}/hooked"\n`,
      { mode: 0o755 },
    );
    await checkout("HEAD");
    expect(existsSync(join(folder, "hooked"))).toBe(false);
  });

  test("is there the next time; one that was broken off, or that git forgot, is made anew", async () => {
    const lines: string[] = [];
    const first = await checkout("HEAD", lines);
    await first.close();
    await (await checkout("main", lines)).close();
    expect(lines).toHaveLength(1);
    await rm(join(first.folder, "ready.json"));
    await (await checkout("HEAD", lines)).close();
    expect(lines).toHaveLength(2);
    git("worktree", "remove", "--force", first.directory);
    const again = await checkout("HEAD", lines);
    expect(lines).toHaveLength(3);
    expect(existsSync(join(again.directory, "service", "version.txt"))).toBe(true);
  });

  test("both sides may be one commit; another perfopt may not have it meanwhile", async () => {
    const [one, two] = [await checkout("HEAD"), await checkout("main")];
    expect(two.directory).toBe(one.directory);
    await one.close();
    await expect(takeLock(one.folder, "another")).rejects.toThrow(/in use by process \d+/);
    await two.close();
    const lock = await takeLock(one.folder, "another");
    await lock.release();
  });

  test("only the last few are kept, and none that is in use goes", async () => {
    const used = await checkout("HEAD");
    for (const text of ["two", "three", "four", "five", "six"]) {
      await commit(text);
      await (await checkout("HEAD")).close();
    }
    const kept = await readdir(join(used.folder, ".."));
    expect(kept).toHaveLength(5);
    expect(kept).toContain(used.commit);
    expect(git("worktree", "list", "--porcelain").match(/^worktree /gm)).toHaveLength(6);
    // The user's own worktree on a disk that is not there now stays known.
    git("worktree", "add", "--quiet", "--detach", join(folder, "users own"));
    await rm(join(folder, "users own"), { recursive: true });
    await commit("seven");
    await checkout("HEAD");
    expect(git("worktree", "list")).toContain("users own");
  });

  test("submodules and large files are warned of", async () => {
    await writeFile(join(directory, ".gitmodules"), "");
    await writeFile(join(directory, ".gitattributes"), "*.bin filter=lfs\n");
    await commit("with modules");
    const { warnings } = await checkout("HEAD");
    expect(warnings[0]).toContain("git submodule update --init");
  });
});

/** A build that writes a file. */
function write(): Command {
  return node(
    "const fs = require('node:fs'); fs.writeFileSync('built.txt', 'built ' + fs.readFileSync('version.txt'));",
  );
}

describe("builds", () => {
  test("run in the checkout, once for a commit and its commands", async () => {
    const made = await checkout("HEAD");
    const there = targetIn(target([write()]), directory, made.directory);
    expect(await build(there, made)).toBe("built");
    const built = join(made.directory, "service", "built.txt");
    expect(await readFile(built, "utf8")).toBe("built one");
    expect(existsSync(join(directory, "service", "built.txt"))).toBe(false);
    expect(await build(there, made)).toBe("reused");
    // Other commands start from the commit's files alone.
    const look = node("if (require('node:fs').existsSync('built.txt')) process.exit(5)");
    expect(await build(targetIn(target([look]), directory, made.directory), made)).toBe("built");
    expect(existsSync(built)).toBe(false);
    expect(await build(target([]))).toBe("nothing to build");
  });

  test("a folder of the user's is built every time", async () => {
    const count = node("require('node:fs').appendFileSync('count.txt', 'x')");
    expect(await build(target([count]))).toBe("built");
    expect(await build(target([count]))).toBe("built");
    expect(await readFile(join(directory, "service", "count.txt"), "utf8")).toBe("xx");
  });

  test("a command that fails is an error with the log's end, and is tried again the next time", async () => {
    const made = await checkout("HEAD");
    const fail = node("console.log('compiling'); console.error('no such type'); process.exit(2)");
    const there = targetIn(target([fail, write()]), directory, made.directory);
    for (const _ of ["first", "again"]) {
      await expect(build(there, made)).rejects.toMatchObject({
        code: "cannot-measure",
        message: expect.stringMatching(/ended with exit code 2[\s\S]*compiling\nno such type/),
      });
    }
    expect(existsSync(join(made.directory, "service", "built.txt"))).toBe(false);
  });

  test("an interrupt ends it with its children", async () => {
    const mark = join(folder, "alive");
    const child = `setInterval(() => require('node:fs').appendFileSync(${JSON.stringify(mark)}, '.'), 20)`;
    const parent = node(
      `require('node:child_process').spawn(process.execPath, ['-e', ${JSON.stringify(child)}]); setInterval(() => {}, 1000)`,
    );
    const controller = new AbortController();
    const building = build(target([parent]), undefined, controller.signal);
    while (!existsSync(mark)) await new Promise((resolve) => setTimeout(resolve, 20));
    controller.abort();
    await expect(building).rejects.toMatchObject({ code: "interrupted" });
    const size = (await readFile(mark)).length;
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect((await readFile(mark)).length).toBe(size);
  });

  test("a service outside of the repository has no version there", () => {
    expect(() => targetIn(fixtureTarget(), directory, home)).toThrow(/outside of/);
  });
}, 30_000);
