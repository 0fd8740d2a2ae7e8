/** Whether the commands that a diagnosis names exist as they are named: each is held against the program's own help. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { contextOf } from "../../src/cli/context.ts";
import { main } from "../../src/cli/main.ts";
import { bottlenecks, type Verdict } from "../../src/core/diagnosis.ts";
import { nextFor, type NextContext } from "../../src/doctor/next.ts";

const verdicts: readonly Verdict[] = [...bottlenecks, "host", "none", "unknown"];
const URL_ONLY: NextContext = { url: "http://127.0.0.1:3000/items" };
const contexts: Readonly<Record<string, NextContext>> = {
  "the bundled service": {},
  "a target file": { target: "my services/shop.yaml", scale: "small" },
  "a URL": { ...URL_ONLY, method: "POST", header: ["authorization: Bearer x"], body: '{"a":1}' },
  "a target file that runs already": { ...URL_ONLY, target: "shop.yaml", method: "GET" },
};

async function helpOf(command: readonly string[]): Promise<string> {
  let out = "";
  const args = [...command, "--help"];
  await main(args, { ...contextOf(args), out: (text) => void (out += text) });
  return out;
}

const commandsOf = (context: NextContext) =>
  verdicts.flatMap((verdict) =>
    nextFor(verdict, context).filter((line) => line.startsWith("perfopt ")),
  );

/** `perfopt advise pool --target a` is `advise pool`, with `--target`. */
function partsOf(line: string) {
  const words = line.split(" ").slice(1);
  const first = words.findIndex((word) => word.startsWith("--"));
  const options = [...line.replaceAll(/'[^']*'/g, "").matchAll(/ (--[\w-]+)/g)];
  return {
    command: words.slice(0, first === -1 ? undefined : first),
    options: options.flatMap(([, option]) => option ?? []),
  };
}

test.each(Object.entries(contexts))("for %s, every command has its options", async (_, context) => {
  const commands = commandsOf(context);
  expect(commands.length).toBeGreaterThan(5);
  for (const line of commands) {
    const { command, options } = partsOf(line);
    const help = await helpOf(command);
    expect(help, line).toContain(`perfopt ${command.join(" ")}`);
    for (const option of options) expect(help, line).toMatch(new RegExp(`^ +${option} `, "m"));
  }
});

test("a service's URL goes to those alone who mean a service by it", () => {
  const withUrl = commandsOf(URL_ONLY).filter((line) => line.includes("http://"));
  expect(new Set(withUrl.map((line) => partsOf(line).command.join(" ")))).toEqual(
    new Set(["advise pool", "bench", "doctor"]),
  );
  expect(nextFor("slow-query", URL_ONLY)).toEqual([expect.stringContaining("$DATABASE_URL")]);
  expect(nextFor("redis", URL_ONLY)).toEqual([expect.stringContaining("$REDIS_URL")]);
});

test("the same requests are sent, without what a header says", () => {
  const [bench] = nextFor("none", contexts["a URL"] ?? {});
  expect(bench).toContain(`--method POST --header 'authorization: ...' --body '{"a":1}'`);
  expect(bench).not.toContain("Bearer");
});

test("a file's name is quoted where a shell would take it apart", () => {
  expect(nextFor("slow-query", { target: "my services/it's.yaml" })).toEqual([
    String.raw`perfopt advise indexes --target 'my services/it'\''s.yaml'`,
  ]);
});

test("the phases are those of the persona", () => {
  const file = join(import.meta.dirname, "../../profiles/multi-tasker.yaml");
  const { strategies }: { strategies: readonly { name: string }[] } = parse(
    readFileSync(file, "utf8"),
  );
  const named = commandsOf({}).flatMap(
    (line) => / --phases (\S+)/.exec(line)?.[1]?.split(",") ?? [],
  );
  expect(new Set(strategies.map(({ name }) => name))).toEqual(new Set(named));
});

test.each(Object.entries(contexts))(
  "for %s, an unknown verdict has a command to run",
  (_, context) => {
    const [first = "", ...others] = nextFor("unknown", context);
    expect(first).toMatch(/^perfopt doctor --/);
    expect([first, ...others].join(" ")).not.toContain("above");
  },
);

test("of a bare URL nobody knows the metrics and stores: a target file says them", () => {
  expect(nextFor("unknown", URL_ONLY)).toEqual([
    expect.stringMatching(/--target FILE --url http.*service\.metrics, postgres and redis/),
  ]);
});
