/** How a service is built, migrated and reached: what is read, the mistakes that are named, and the secrets that are not. */
import { join, resolve } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { loadTarget } from "../../src/profiles/target.ts";
import { edit, openFolder, problemsOf } from "./fixture.ts";
import { TARGET } from "./target-fixture.ts";

const folder = openFolder();
afterAll(() => folder.remove());

const START = `  start: node --title "my shop" 'a b'/main.js\n`;
const SECRET = "s3cr3t-value";

const withService = (lines: string): string => edit(TARGET, START, `${START}${lines}\n`);
const load = (lines: string, env = {}, sendsLoad = true) =>
  loadTarget(folder.write("t.yaml", withService(lines)), { env, sendsLoad });
const problems = async (lines: string, env = {}): Promise<string[]> => {
  const found = await problemsOf(folder, () => load(lines, env));
  expect(found.join("\n")).not.toContain(SECRET);
  return found;
};

test.each<[what: string, lines: string, commands: string[][]]>([
  ["one command", "  build: npm ci", [["npm", "ci"]]],
  ["a list of one", "  build: [make]", [["make"]]],
  [
    "several commands",
    "  build: [npm ci, 'npm run build -- --all']",
    [
      ["npm", "ci"],
      ["npm", "run", "build", "--", "--all"],
    ],
  ],
  ["commands in words", "  build: [[make], [./install]]", [["make"], ["./install"]]],
])("what builds it: %s", async (_, lines, commands) => {
  const { service } = await load(lines);
  const directory = resolve(folder.path, "../code");
  expect(service.build).toEqual(
    commands.map(([program, ...args]) => ({ program, args, directory })),
  );
});

test("what migrates it runs where it starts", async () => {
  const { service } = await load("  migrate: node migrate.js --to latest");
  expect(service.migrate).toEqual({
    program: "node",
    args: ["migrate.js", "--to", "latest"],
    directory: service.start.directory,
  });
});

test("certificates are verified unless the file says no, authorities lie relative to it", async () => {
  expect((await load("  tls: {}")).service.tls).toEqual({ verify: true });
  expect((await load("  tls: { ca: ca.pem }")).service.tls).toEqual({
    verify: true,
    caPath: join(folder.path, "ca.pem"),
  });
  expect((await load("  tls: { verify: false }")).service.tls).toEqual({ verify: false });
  expect((await load("  build: make")).service).not.toHaveProperty("tls");
});

describe("headers", () => {
  const BEARER =
    '  headers: { authorization: "Bearer ${env:API_TOKEN}", x-team: "${env:TEAM:-none}" }';

  test("are filled from the environment", async () => {
    const { service } = await load(BEARER, { API_TOKEN: SECRET });
    expect(service.headers).toEqual({ authorization: `Bearer ${SECRET}`, "x-team": "none" });
  });

  test("a missing variable is named with its line", async () => {
    expect(await problems(BEARER, { API_TOKN: SECRET })).toEqual([
      't.yaml:6:29: expected the environment variable API_TOKEN, which has no default here, found it unset or empty; did you mean "API_TOKN"?',
    ]);
  });

  test("and does not matter to what sends no load, which gets no headers either", async () => {
    const { service } = await load(BEARER, {}, false);
    expect(service).not.toHaveProperty("headers");
    await expect(load("  build: ${env:BUILD}", {}, false)).rejects.toThrow("BUILD");
  });

  test.each<[what: string, lines: string, message: string]>([
    [
      "a line break, which comes with the variable",
      '  headers: { authorization: "Bearer ${env:FILE}" }',
      "t.yaml:6:29: service.headers.authorization: expected text without line breaks and other control characters, found something else (not shown, it may hold a secret)",
    ],
    [
      "a list",
      `  headers: { authorization: [${SECRET}] }`,
      "t.yaml:6:29: service.headers.authorization: expected text, found something else (not shown, it may hold a secret)",
    ],
    [
      "a number",
      "  headers: { authorization: 5123123 }",
      "t.yaml:6:29: service.headers.authorization: expected text, found something else (not shown, it may hold a secret)",
    ],
    [
      "a name that is none",
      `  headers: { "x y": ${SECRET} }`,
      't.yaml:6:14: service.headers.x y: expected a header name of letters, digits and dashes, found "x y"',
    ],
    [
      "a placeholder of requests",
      `  headers: { authorization: "${SECRET} \${product.id}" }`,
      "t.yaml:6:29: service.headers.authorization: expected no placeholder but ${env:NAME} in headers of the service, found something else (not shown, it may hold a secret)",
    ],
    [
      "text in place of a map",
      `  headers: "authorization ${SECRET}"`,
      "t.yaml:6:12: service.headers: expected a map, found something else (not shown, it may hold a secret)",
    ],
    [
      "a placeholder that is not closed",
      `  headers: { authorization: "${SECRET} \${env:TOKEN" }`,
      "t.yaml:6:29: service.headers.authorization: expected no placeholder but ${env:NAME} in headers of the service, found something else (not shown, it may hold a secret)",
    ],
  ])("are never shown: %s", async (_, lines, message) => {
    expect(await problems(lines, { FILE: `${SECRET}\n` })).toEqual([message]);
  });

  test("of requests are not shown either", async () => {
    const text = edit(TARGET, '{ x-id: "${fresh}" }', `{ authorization: "${SECRET} \${fres" }`);
    const found = await problemsOf(folder, () =>
      loadTarget(folder.write("t.yaml", text), { env: {} }),
    );
    expect(found).toEqual([
      "t.yaml:52:35: workloads.browse.requests[1].headers.authorization: expected every ${ to be closed by }, found something else (not shown, it may hold a secret)",
    ]);
  });
});

test.each<[what: string, lines: string, message: string]>([
  [
    "words in place of commands",
    "  build: [npm, ci]",
    "service.build: expected one command as text (npm ci) or in a list of its own ([[npm, ci]]), found a list of single words",
  ],
  [
    "a command for a shell",
    "  build: [npm ci && npm run build, make]",
    'service.build[0]: expected a command without shell syntax such as |, && or > (no shell reads it; put the line into a script), found "npm ci && npm run build"',
  ],
  ["no command", "  build: []", "service.build: expected a list of at least 1 item, found a list"],
  ["a migration that is none", '  migrate: ""', 'service.migrate: expected a command, found ""'],
  [
    "an unknown setting of TLS",
    "  tls: { insecure: true }",
    'service.tls.insecure: expected one of the keys ca, verify, found the unknown key "insecure"',
  ],
  [
    "a word for a boolean",
    "  tls: { verify: never }",
    'service.tls.verify: expected true or false, found "never"',
  ],
])("a mistake is named: %s", async (_, lines, message) => {
  const found = await problems(lines);
  expect(
    found.some((line) => /^t\.yaml:6:\d+: /.test(line) && line.endsWith(message)),
    found.join("\n"),
  ).toBe(true);
});
