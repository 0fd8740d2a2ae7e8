/** The recipes are what people copy: their YAML parses, their commands exist, their scripts do what the text says. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { compileFunction } from "node:vm";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { parseDocument } from "yaml";
import { contextOf } from "../src/cli/context.ts";
import { main } from "../src/cli/main.ts";
import { renderOutput } from "../src/report/outputs/outputs.ts";
import { cpuFailResult, passResult } from "./report/gate-results.ts";

const folder = resolve(import.meta.dirname, "../docs/recipes");
const files = readdirSync(folder);

function read(file: string): string {
  return readFileSync(join(folder, file), "utf8");
}

/** Fenced blocks of one language. */
function blocksOf(file: string, language: string): readonly string[] {
  return [...read(file).matchAll(/^```(\w+)\n([^]*?)^```$/gm)]
    .filter(([, found]) => found === language)
    .map(([, , text = ""]) => text);
}

const yamls = files.flatMap((file) => {
  if (file.endsWith(".yml")) return [{ file, text: read(file) }];
  return blocksOf(file, "yaml").map((text, index) => ({ file: `${file} #${index + 1}`, text }));
});

/** Every string of a YAML document with the keys that lead to it. */
function stringsOf(value: unknown, path = ""): readonly { path: string; text: string }[] {
  if (typeof value === "string") return [{ path, text: value }];
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, each]) => stringsOf(each, `${path}/${key}`));
}

function parsed(text: string): unknown {
  return parseDocument(text).toJS();
}

const commands = [
  ...yamls.flatMap(({ file, text }) =>
    stringsOf(parsed(text)).flatMap((each) => linesOf(file, each.text)),
  ),
  ...files
    .filter((file) => file.endsWith(".md"))
    .flatMap((file) => [
      ...blocksOf(file, "sh").flatMap((text) => linesOf(file, text)),
      ...[...read(file).matchAll(/^ {4}(npx perfopt .*)$/gm)].flatMap(([, line = ""]) =>
        linesOf(file, line),
      ),
      ...[...read(file).matchAll(/`(npx perfopt [^`]+)`/g)].flatMap(([, line = ""]) =>
        linesOf(file, line),
      ),
    ]),
];

function linesOf(file: string, text: string): readonly { file: string; line: string }[] {
  return text
    .split("\n")
    .filter((line) => /^\s*npx perfopt /.test(line))
    .map((line) => ({ file, line: line.trim() }));
}

describe("YAML", () => {
  test.each(yamls)("of $file is well formed", ({ text }) => {
    const document = parseDocument(text);
    expect([...document.errors, ...document.warnings]).toEqual([]);
    expect(parsed(text)).toBeTypeOf("object");
  });

  test("is there for every recipe", () => {
    expect(yamls.length).toBeGreaterThanOrEqual(8);
  });
});

describe("commands", () => {
  test.each(commands)("of $file exist: $line", async ({ line }) => {
    const [command = "", ...args] = wordsOf(line.replace(/\s*\|.*$/, "")).slice(2);
    const known = await optionsOf(command);
    args.forEach((word, index) => {
      if (!word.startsWith("--")) return;
      expect(known.has(word), `${word} of perfopt ${command}`).toBe(true);
      const next = args[index + 1];
      const hasValue = next !== undefined && !next.startsWith("--");
      if (known.get(word) === "needs a value") expect(hasValue, word).toBe(true);
      if (known.get(word) === "has no value") expect(hasValue, word).toBe(false);
    });
  });

  test("are there", () => {
    const names = new Set(commands.map(({ line }) => wordsOf(line)[2]));
    expect(names).toEqual(new Set(["bench", "gate", "history"]));
  });
});

type Arity = "needs a value" | "may have a value" | "has no value";

/** The long options that a command's help names. */
async function optionsOf(command: string): Promise<ReadonlyMap<string, Arity>> {
  let help = "";
  const context = { ...contextOf([]), out: (text: string) => void (help += text) };
  expect(await main([command, "--help"], context)).toBe(0);
  expect(help, `perfopt ${command}`).toContain(`Usage: perfopt ${command} `);
  return new Map(
    [...help.matchAll(/^ {2}(?:-\w, )?(--[a-z-]+)(?: ([<[]))?/gm)].map(([, name = "", opening]) => [
      name,
      opening === "<" ? "needs a value" : opening === "[" ? "may have a value" : "has no value",
    ]),
  );
}

/** Words as a shell splits them, quotes taken off. */
function wordsOf(line: string): readonly string[] {
  return [...line.matchAll(/(?:"[^"]*"|'[^']*'|[^\s"'])+/g)].map(([word]) =>
    word.replaceAll(/["']/g, ""),
  );
}

describe("workflows", () => {
  const workflows = yamls.filter(({ text }) => /^on:/m.test(text));

  test.each(workflows)("$file says what its token may do, and when to stop", ({ text }) => {
    expect(text).toMatch(/^permissions:/m);
    expect(text).toMatch(/timeout-minutes: \d+/);
  });

  test.each(workflows)("$file puts nothing of an event into a script", ({ text }) => {
    const scripts = stringsOf(parsed(text)).filter(({ path }) => /\/(?:run|script)$/.test(path));
    expect(scripts.length).toBeGreaterThan(0);
    expect(scripts.filter((script) => script.text.includes("${{"))).toEqual([]);
  });

  test("the half that runs a fork's code may write nothing", () => {
    expect(parsed(read("perfopt-measure.yml"))).toMatchObject({
      permissions: { contents: "read" },
    });
    expect(read("perfopt-measure.yml")).not.toMatch(/: write|pull_request_target|secrets\./);
  });

  test("the half that may write runs no code of a fork", () => {
    const text = read("perfopt-comment.yml");
    expect(text).not.toMatch(/actions\/checkout|^\s*-? ?run:|npm |pull_request_target/m);
    const { name } = JSON.parse(JSON.stringify(parsed(read("perfopt-measure.yml"))));
    expect(parsed(text)).toMatchObject({ on: { workflow_run: { workflows: [name] } } });
  });
});

describe("the comment", () => {
  let place: string;
  beforeEach(() => {
    place = mkdtempSync(join(tmpdir(), "perfopt recipes "));
  });
  afterEach(() => {
    rmSync(place, { recursive: true, force: true });
  });

  const failed = renderOutput(cpuFailResult(), "markdown") ?? "";
  const [marker = ""] = failed.split("\n");
  const bot = { login: "github-actions[bot]" };

  /** Runs a workflow's script against a GitHub that has these comments and pull requests; returns what it did. */
  async function run(
    file: string,
    { comments, pulls = [] }: { comments: readonly object[]; pulls?: readonly object[] },
  ): Promise<readonly (readonly [string, object])[]> {
    const did: [string, object][] = [];
    const note = (name: string) => async (what: object) => void did.push([name, what]);
    const rest = {
      issues: {
        listComments: "comments",
        createComment: note("create"),
        updateComment: note("update"),
      },
      pulls: { list: "pulls" },
    };
    const github = {
      rest,
      paginate: async (what: string, filter: { head?: string }) => {
        if (what === "comments") return comments;
        did.push(["list", { head: filter.head }]);
        return pulls;
      },
    };
    const context = {
      repo: { owner: "us", repo: "service" },
      payload: {
        pull_request: { number: 7 },
        workflow_run: {
          head_sha: "abc",
          head_branch: "patch-1",
          head_repository: { owner: { login: "them" } },
          pull_requests: [],
        },
      },
    };
    const core = { setFailed: (message: string) => did.push(["failed", { message }]) };
    const [script] = stringsOf(parsed(read(file))).filter(({ path }) => path.endsWith("/script"));
    // As github-script does it, and with these names.
    const start = compileFunction(`return (async () => {${script?.text ?? ""}})();`, [
      "github",
      "context",
      "core",
      "require",
      "process",
    ]);
    const required = createRequire(import.meta.url);
    const fs: typeof import("node:fs") = required("node:fs");
    const inPlace = {
      ...fs,
      readFileSync: (path: string, encoding: "utf8") =>
        fs.readFileSync(resolve(place, path), encoding),
    };
    const given = {
      require: (name: string): unknown => (name === "node:fs" ? inPlace : required(name)),
      process: { env: { FOLDER: join(place, "perfopt-out") } },
    };
    await Reflect.apply(start, undefined, [github, context, core, given.require, given.process]);
    return did;
  }

  function wrote(markdown: string, verdict: string): void {
    mkdirSync(join(place, "perfopt-out"));
    writeFileSync(join(place, "perfopt-out", "comment.md"), markdown);
    writeFileSync(join(place, "perfopt-out", "result.json"), JSON.stringify({ verdict, issue: 1 }));
  }

  const others = [
    { id: 1, user: { login: "somebody" }, body: failed },
    { id: 2, user: bot, body: failed.replace("read-heavy", "other") },
    { id: 3, user: null, body: failed },
  ];

  test("is written once, on the event's pull request", async () => {
    wrote(failed, "fail");
    const did = await run("perfopt-gate.yml", { comments: others });
    expect(did).toEqual([
      ["create", { owner: "us", repo: "service", issue_number: 7, body: failed }],
    ]);
  });

  test("is updated when it is there, also by a pass", async () => {
    const passed = renderOutput(passResult(), "markdown") ?? "";
    wrote(passed, "pass");
    const comments = [...others, { id: 4, user: bot, body: `${marker}\nold` }];
    const did = await run("perfopt-gate.yml", { comments });
    expect(did).toEqual([
      ["update", { owner: "us", repo: "service", comment_id: 4, body: passed }],
    ]);
  });

  test("of a pass with nothing to correct is not written", async () => {
    wrote(failed, "pass");
    expect(await run("perfopt-gate.yml", { comments: others })).toEqual([]);
  });

  const pulls = [
    { number: 11, head: { sha: "older" } },
    { number: 12, head: { sha: "abc" } },
  ];

  test("of a fork goes to the pull request whose head was measured", async () => {
    wrote(failed, "fail");
    const did = await run("perfopt-comment.yml", { comments: others, pulls });
    expect(did[0]).toEqual(["list", { head: "them:patch-1" }]);
    expect(did.slice(1)).toMatchObject([["create", { issue_number: 12 }]]);
  });

  test("of a fork that went on meanwhile goes nowhere", async () => {
    wrote(failed, "fail");
    const did = await run("perfopt-comment.yml", { comments: [], pulls: pulls.slice(0, 1) });
    expect(did.map(([name]) => name)).toEqual(["list"]);
  });

  test("of a fork mentions nobody, and is no longer than GitHub takes", async () => {
    wrote(`${marker}\n@octocat ${"x".repeat(70_000)}`, "fail");
    const did = await run("perfopt-comment.yml", { comments: [], pulls });
    const body = JSON.stringify(did.at(-1));
    expect(body).not.toMatch(/@[A-Za-z]/);
    expect(body.length).toBeLessThan(65_700);
  });

  test("of a fork that is none of perfopt's is refused", async () => {
    wrote("<!-- other-bot:status -->\nmine now", "fail");
    const did = await run("perfopt-comment.yml", { comments: others, pulls });
    expect(did.map(([name]) => name)).toEqual(["failed"]);
  });

  test("marker of any gate passes the check of the second half", async () => {
    for (const workload of ["read-heavy", "a--b c", "ü|<!--"]) {
      rmSync(join(place, "perfopt-out"), { recursive: true, force: true });
      wrote(renderOutput(passResult({ workload }), "markdown") ?? "", "fail");
      const did = await run("perfopt-comment.yml", { comments: [], pulls });
      expect(did.map(([name]) => name)).toEqual(["list", "create"]);
    }
  });
});
