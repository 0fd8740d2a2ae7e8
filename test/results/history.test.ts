/** Histories in files and in git: nothing lost when many write, nothing broken by a torn line, nothing touched but the ref. */
import { execFileSync } from "node:child_process";
import { appendFile, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { appendResult, checkHistory, readHistory } from "../../src/results/history.ts";
import { placeOf } from "../../src/results/place.ts";
import { benchResult, limitResult } from "../report/bench-results.ts";
import { runOf } from "./histories.ts";

let folder = "";

beforeEach(async () => {
  // Without the machine's own settings: no name and no branch is configured, as in CI.
  vi.stubEnv("GIT_CONFIG_GLOBAL", "/dev/null");
  vi.stubEnv("GIT_CONFIG_NOSYSTEM", "1");
  folder = await mkdtemp(join(tmpdir(), "perfopt history "));
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true, force: true });
});

function git(...args: readonly string[]): string {
  return execFileSync("git", [...args], { cwd: folder, encoding: "utf8" }).trim();
}

async function makeRepository(): Promise<string> {
  git("init", "--quiet", "--initial-branch=main");
  await writeFile(join(folder, "program.txt"), "1\n");
  git("add", ".");
  git("-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "-m", "first");
  return git("rev-parse", "--short", "HEAD");
}

describe("a file", () => {
  test("gets one short line a run, which is read again in the order of measuring", async () => {
    await appendResult("runs/history.jsonl", runOf(2, 20), folder);
    await appendResult("runs/history.jsonl", runOf(1, 21), folder);
    const { records, problems } = await readHistory("runs/history.jsonl", folder);
    expect(problems).toEqual([]);
    expect(records.map(({ metrics }) => metrics["api.latencyP95Ms"]?.value)).toEqual([21, 20]);
    expect(records[0]?.windows).toEqual({ valid: 3, all: 3 });
    expect(records[0]?.endpoints[0]).toMatchObject({ name: "GET /models/search", errors: 8 });
  });

  test("keeps no histograms and no secrets", async () => {
    const result = benchResult({
      side: { label: "http://me:hunter2@host/" },
      histograms: { response: "H".repeat(9_000), service: "S", lag: "L" },
    });
    await appendResult("history.jsonl", result, folder);
    const text = await readFile(join(folder, "history.jsonl"), "utf8");
    expect(text.length).toBeLessThan(4_000);
    expect(text).not.toContain("HHHH");
    expect(text).not.toContain("hunter2");
  });

  test("keeps the limit that a search found", async () => {
    await appendResult("history.jsonl", limitResult(), folder);
    const { records } = await readHistory("history.jsonl", folder);
    expect(records[0]?.limit).toEqual({
      unit: "requests/s",
      holds: 1_180,
      breaks: 1_240,
      estimate: 1_209.6,
    });
  });

  test("survives broken lines, which are named", async () => {
    const path = join(folder, "history.jsonl");
    await appendResult("history.jsonl", runOf(1, 20), folder);
    await appendFile(path, '{"schema":"perfopt-history/v9"}\n[]\n{"torn":');
    await appendResult("history.jsonl", runOf(2, 21), folder);
    const { records, problems } = await readHistory("history.jsonl", folder);
    expect(records).toHaveLength(2);
    expect(problems).toHaveLength(3);
    expect(problems[0]).toContain(`${path}:2 is "perfopt-history/v9"`);
    expect(problems[1]).toContain(`${path}:3 has no "schema"`);
    expect(problems[2]).toContain(`${path}:4 is not JSON`);
  });

  test("takes runs that end at once", async () => {
    await Promise.all(
      Array.from({ length: 30 }, (_, day) => appendResult("history.jsonl", runOf(day, 20), folder)),
    );
    const { records, problems } = await readHistory("history.jsonl", folder);
    expect(problems).toEqual([]);
    expect(new Set(records.map(({ startedAt }) => startedAt)).size).toBe(30);
  });

  test("is checked before the measuring, and left as it was", async () => {
    await checkHistory("new/history.jsonl", folder);
    expect(await readdir(join(folder, "new"))).toEqual([]);
    await writeFile(join(folder, "plain"), "");
    await expect(checkHistory("plain/history.jsonl", folder)).rejects.toThrow(/cannot be written/);
  });
});

describe("places", () => {
  test.each([
    ["runs.jsonl", { kind: "file", path: "runs.jsonl" }],
    ["git-branch:perf/history", { kind: "branch", name: "perf/history" }],
    ["git-notes", { kind: "notes", ref: "refs/notes/perfopt" }],
    ["git-notes:speed", { kind: "notes", ref: "refs/notes/speed" }],
    ["git-notes:refs/notes/speed", { kind: "notes", ref: "refs/notes/speed" }],
  ])("%s", (where, place) => {
    expect(placeOf(where)).toEqual(place);
  });

  test.each([
    "",
    "git-branch",
    "git-branch:",
    "git-branch:-d",
    "git-branch:a..b",
    "git-notes:",
    "git-tag:x",
    "git-branch:a.lock",
  ])("%j is refused", (where) => {
    expect(() => placeOf(where)).toThrow(/no place for a history/);
  });
});

describe("a branch", () => {
  test("is begun, continued, and touches neither the working tree nor the index", async () => {
    await makeRepository();
    await writeFile(join(folder, "program.txt"), "changed\n");
    await writeFile(join(folder, "staged.txt"), "staged\n");
    git("add", "staged.txt");
    const before = [git("status", "--porcelain"), git("rev-parse", "HEAD")];
    await checkHistory("git-branch:perf", folder);
    const said = await appendResult("git-branch:perf", runOf(1, 20), folder);
    await appendResult("git-branch:perf", runOf(2, 21), folder);
    expect(said).toContain("git push origin perf");
    expect([git("status", "--porcelain"), git("rev-parse", "HEAD")]).toEqual(before);
    expect(git("log", "--format=%s", "perf").split("\n")).toHaveLength(2);
    expect(git("merge-base", "--all", "perf", "perf~1")).toBe(git("rev-parse", "perf~1"));
    expect(git("ls-tree", "--name-only", "perf")).toBe("history.jsonl");
    const { records } = await readHistory("git-branch:perf", folder);
    expect(records).toHaveLength(2);
  });

  test("keeps what else is on it", async () => {
    await makeRepository();
    await appendResult("git-branch:perf", runOf(1, 20), folder);
    git("-c", "user.name=a", "-c", "user.email=a@b", "checkout", "--quiet", "perf");
    await writeFile(join(folder, "README"), "about\n");
    git("add", ".");
    git("-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "-m", "readme");
    git("checkout", "--quiet", "main");
    await appendResult("git-branch:perf", runOf(2, 20), folder);
    expect(git("ls-tree", "--name-only", "perf").split("\n")).toEqual(["README", "history.jsonl"]);
  });

  test("takes runs that end at once", { timeout: 60_000 }, async () => {
    await makeRepository();
    await Promise.all(
      Array.from({ length: 6 }, (_, day) =>
        appendResult("git-branch:perf", runOf(day, 20), folder),
      ),
    );
    const { records } = await readHistory("git-branch:perf", folder);
    expect(new Set(records.map(({ startedAt }) => startedAt)).size).toBe(6);
    expect(git("rev-list", "--count", "perf")).toBe("6");
  });

  test("that was only fetched is read and continued", async () => {
    await makeRepository();
    await appendResult("git-branch:perf", runOf(1, 20), folder);
    const tip = git("rev-parse", "perf");
    git("update-ref", "refs/remotes/origin/perf", tip);
    git("branch", "--quiet", "-D", "perf");
    expect((await readHistory("git-branch:perf", folder)).records).toHaveLength(1);
    await appendResult("git-branch:perf", runOf(2, 20), folder);
    expect(git("rev-parse", "perf~1")).toBe(tip);
    expect((await readHistory("git-branch:perf", folder)).records).toHaveLength(2);
  });

  test("that is checked out or holds a program is refused, before and after measuring", async () => {
    await makeRepository();
    git("branch", "other");
    for (const add of [
      checkHistory,
      (where: string) => appendResult(where, runOf(1, 20), folder),
    ]) {
      await expect(add("git-branch:main", folder)).rejects.toThrow(/main is checked out/);
      await expect(add("git-branch:other", folder)).rejects.toThrow(
        /other exists and has no history/,
      );
    }
    expect(git("rev-parse", "other")).toBe(git("rev-parse", "main"));
  });

  test("that does not exist, and a folder outside of git, are said so", async () => {
    await expect(checkHistory("git-branch:perf", folder)).rejects.toThrow(/git rev-parse failed/);
    await makeRepository();
    await expect(readHistory("git-branch:perf", folder)).rejects.toThrow(/there is no branch perf/);
  });
});

describe("notes", () => {
  test("hold every run of a commit, where git itself shows them", async () => {
    const commit = await makeRepository();
    const side = { label: "main", commit };
    await checkHistory("git-notes", folder);
    const said = await appendResult("git-notes", runOf(1, 20, { side }), folder);
    await appendResult("git-notes", runOf(2, 21, { side }), folder);
    expect(said).toContain("git push origin refs/notes/perfopt");
    expect(git("notes", "--ref=perfopt", "show", "HEAD").split("\n")).toHaveLength(2);
    expect((await readHistory("git-notes", folder)).records).toHaveLength(2);
    expect(git("status", "--porcelain")).toBe("");
  });

  test("of others stay, also where git spreads them over folders", async () => {
    const commit = await makeRepository();
    const full = git("rev-parse", "HEAD");
    // As git stores notes when there are many.
    const blob = execFileSync("git", ["hash-object", "-w", "--stdin"], {
      cwd: folder,
      encoding: "utf8",
      input: `${JSON.stringify({ mine: true })}\n`,
    }).trim();
    const inner = execFileSync("git", ["mktree"], {
      cwd: folder,
      encoding: "utf8",
      input: `100644 blob ${blob}\t${full.slice(2)}\n`,
    }).trim();
    const tree = execFileSync("git", ["mktree"], {
      cwd: folder,
      encoding: "utf8",
      input: `040000 tree ${inner}\t${full.slice(0, 2)}\n`,
    }).trim();
    const notes = git("-c", "user.name=a", "-c", "user.email=a@b", "commit-tree", tree, "-m", "n");
    git("update-ref", "refs/notes/perfopt", notes);
    await appendResult("git-notes", runOf(1, 20, { side: { label: "x", commit } }), folder);
    const { records, problems } = await readHistory("git-notes", folder);
    expect(records).toHaveLength(1);
    expect(problems[0]).toContain(`note on ${full.slice(0, 10)}:1 has no "schema"`);
    expect(git("notes", "--ref=perfopt", "list").split("\n")).toHaveLength(1);
  });

  test("need a commit", async () => {
    await makeRepository();
    const outside = runOf(1, 20, { side: { label: "http://host/" } });
    await expect(appendResult("git-notes", outside, folder)).rejects.toThrow(
      /http:\/\/host\/ is no commit of this repository/,
    );
    const unknown = runOf(1, 20, { side: { label: "x", commit: "0123456789" } });
    await expect(appendResult("git-notes", unknown, folder)).rejects.toThrow(/is no commit/);
    await expect(readHistory("git-notes", folder)).rejects.toThrow(/there are no notes/);
  });
});
