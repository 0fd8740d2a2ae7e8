/** Where results go beside the terminal: files, GitHub's summary and annotations, and what is refused before measuring. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { contextOf, type Context } from "../../src/cli/context.ts";
import {
  addOutputOptions,
  checkOutputs,
  writeOutputs,
  type OutputOptions,
} from "../../src/cli/outputs.ts";
import { SUMMARY_BYTES_MOST } from "../../src/report/outputs/markdown.ts";
import { benchResult } from "../report/bench-results.ts";
import { latencyFailResult, passResult, selfTestRefused } from "../report/gate-results.ts";

let folder: string;
let printed: { out: string; err: string };
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "perfopt outputs "));
  printed = { out: "", err: "" };
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function context(env: Context["env"] = {}): Context {
  const real = contextOf([]);
  real.close();
  return {
    ...real,
    env,
    directory: folder,
    out: (text) => void (printed.out += text),
    err: (text) => void (printed.err += text),
  };
}

function read(...path: readonly string[]): string {
  return readFileSync(join(folder, ...path), "utf8");
}

test("the options are as documented", () => {
  const command = addOutputOptions(new Command("gate"));
  command.parse(["--github-action-benchmark", "b/bench", "--junit", "j.xml"], { from: "user" });
  expect(command.opts<OutputOptions>()).toEqual({
    githubActionBenchmark: "b/bench",
    junit: "j.xml",
  });
});

describe("files", () => {
  test("--output fills a folder that need not exist", async () => {
    const written = await writeOutputs(context(), latencyFailResult(), { output: "a/b" });
    const names = [
      "badge.json",
      "bencher.json",
      "benchmark-bigger.json",
      "benchmark-smaller.json",
      "comment.md",
      "junit.xml",
      "result.json",
    ];
    expect(readdirSync(join(folder, "a/b")).toSorted()).toEqual(names);
    expect(written).toHaveLength(names.length);
    expect(JSON.parse(read("a/b/result.json"))).toEqual(latencyFailResult());
    expect(read("a/b/comment.md")).toContain("FAIL (confirmed)");
    expect(printed).toEqual({ out: "", err: "" });
  });

  test("each can be asked for alone", async () => {
    const options = {
      junit: "r/junit.xml",
      markdown: "m.md",
      bencher: "bmf.json",
      githubActionBenchmark: "bench",
      badge: "badge.json",
    };
    await checkOutputs(context(), options);
    await writeOutputs(context(), benchResult(), options);
    expect(readdirSync(folder).toSorted()).toEqual([
      "badge.json",
      "bench-bigger.json",
      "bench-smaller.json",
      "bmf.json",
      "m.md",
      "r",
    ]);
  });

  test("a self-test leaves out what only a version has", async () => {
    await checkOutputs(context(), { output: "out" }, "noise");
    await writeOutputs(context(), selfTestRefused(), { output: "out" });
    expect(readdirSync(join(folder, "out")).toSorted()).toEqual([
      "comment.md",
      "junit.xml",
      "result.json",
    ]);
  });

  test("one that cannot be written is told after the others are", async () => {
    mkdirSync(join(folder, "out", "junit.xml"), { recursive: true });
    const ended = writeOutputs(context(), passResult(), { output: "out" });
    await expect(ended).rejects.toMatchObject({ code: "cannot-measure" });
    await expect(ended).rejects.toThrow("junit.xml");
    expect(existsSync(join(folder, "out", "badge.json"))).toBe(true);
  });
});

describe("before measuring", () => {
  test.each<[OutputOptions, string]>([
    [{ junit: "file/junit.xml" }, "--junit: cannot write junit.xml"],
    [{ output: "file" }, "--output: cannot write result.json"],
    [{ markdown: "folder" }, "--markdown: cannot write folder"],
    [{ junit: "one", badge: "./one" }, "--badge would overwrite another output"],
    [{ output: "out", junit: "out/comment.md" }, "--junit would overwrite another output"],
  ])("%o is refused", async (options, message) => {
    writeFileSync(join(folder, "file"), "");
    mkdirSync(join(folder, "folder"));
    const checked = checkOutputs(context(), options);
    await expect(checked).rejects.toMatchObject({ code: "bad-input" });
    await expect(checked).rejects.toThrow(message);
  });

  test("a self-test is not asked for the numbers of a version", async () => {
    await expect(checkOutputs(context(), { bencher: "b.json" }, "noise")).rejects.toThrow(
      "--bencher: a self-test measures",
    );
  });

  test("nothing that was there is touched, and nothing is left behind", async () => {
    writeFileSync(join(folder, "old.xml"), "old");
    await checkOutputs(context(), { junit: "old.xml", output: "new" });
    expect(read("old.xml")).toBe("old");
    expect(readdirSync(join(folder, "new"))).toEqual([]);
  });
});

function actions(): Context["env"] {
  return { GITHUB_ACTIONS: "true", GITHUB_STEP_SUMMARY: join(folder, "sum.md") };
}

describe("in GitHub Actions", () => {
  test("annotations go to stderr, each on a line of its own, and stdout stays pure", async () => {
    await writeOutputs(context(actions()), latencyFailResult(), {});
    expect(printed.out).toBe("");
    expect(printed.err).toMatch(/^(?:::error [^\n]+\n){2}$/);
  });

  test("the summary is added to what is there", async () => {
    writeFileSync(join(folder, "sum.md"), "before\n");
    await writeOutputs(context(actions()), passResult(), {});
    expect(read("sum.md")).toMatch(/^before\n<!-- perfopt:gate:/);
    expect(printed.err).toBe("");
  });

  test("a summary that is full, or cannot be written, changes nothing and is told", async () => {
    const path = join(folder, "sum.md");
    writeFileSync(path, "x".repeat(SUMMARY_BYTES_MOST - 50));
    await writeOutputs(context(actions()), passResult(), {});
    expect(read("sum.md")).toHaveLength(SUMMARY_BYTES_MOST - 50);
    expect(printed.err).toContain("summary is full");
    rmSync(path);
    mkdirSync(path);
    await writeOutputs(context(actions()), passResult(), {});
    expect(printed.err).toContain("could not be written");
  });

  test("elsewhere nobody is told", async () => {
    const env = { GITHUB_STEP_SUMMARY: join(folder, "sum.md") };
    await writeOutputs(context(env), latencyFailResult(), {});
    expect(printed.err).toBe("");
    expect(existsSync(join(folder, "sum.md"))).toBe(false);
  });
});
