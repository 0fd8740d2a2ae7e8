/** Workloads of sessions: what is read from a target file, and the mistakes that are named. */
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { loadTarget } from "../../src/profiles/target.ts";
import { edit, openFolder, problemsOf } from "./fixture.ts";
import { TARGET } from "./target-fixture.ts";

const folder = openFolder();
afterAll(() => folder.remove());

const BROWSE = TARGET.slice(TARGET.indexOf("workloads:"));
const SESSIONS = edit(
  TARGET,
  BROWSE,
  `workloads:
  training:
    parameters:
      owner: { csv: data/owners.csv, draw: zipf(1.0) }
      few: { csv: ../few.csv, limit: 20 }
      loss: { float: { min: 0, max: 1 } }
    sessions:
      - name: train
        weight: 3
        steps:
          - name: create
            method: POST
            path: /runs
            body: { owner: "\${owner.id}" }
            expect: [201]
            capture:
              run: run.info["id"]
              token: { header: X-Token }
              first: items[0].children[12].id
          - name: log
            method: POST
            path: /runs/\${run}/log
            query: { at: "\${few.place}" }
            headers: { authorization: "Bearer \${token}" }
            body: { loss: "\${loss}", run: "\${run}" }
            repeat: 12
            think: { uniform: [100ms, 2s] }
          - name: finish
            method: POST
            path: /runs/\${run}/finish
            think: 3s
      - name: look
        steps:
          - { name: home, path: "/", think: { exponential: 2s } }
`.replace('run.info["id"]', "run.info.id"),
);

const load = (text: string) => loadTarget(folder.write("t.yaml", text), { env: {} });
const problems = (text: string) => problemsOf(folder, () => load(text));

test("sessions, in perfopt's own words", async () => {
  const [training] = (await load(SESSIONS)).workloads;
  expect(training?.requests).toEqual([]);
  const request = { weight: 1, method: "POST", headers: {}, expect: [] };
  expect(training?.sessions).toEqual([
    {
      name: "train",
      weight: 3,
      steps: [
        {
          request: {
            ...request,
            name: "create",
            path: "/runs",
            body: { owner: "${owner.id}" },
            expect: [201],
          },
          repeat: 1,
          captures: [
            { name: "run", from: { kind: "json", path: ["run", "info", "id"] } },
            { name: "token", from: { kind: "header", header: "x-token" } },
            { name: "first", from: { kind: "json", path: ["items", 0, "children", 12, "id"] } },
          ],
        },
        {
          request: {
            ...request,
            name: "log",
            path: "/runs/${run}/log?at=${few.place}",
            headers: { authorization: "Bearer ${token}" },
            body: { loss: "${loss}", run: "${run}" },
          },
          repeat: 12,
          captures: [],
          think: { kind: "uniform", minMs: 100, maxMs: 2_000 },
        },
        {
          request: { ...request, name: "finish", path: "/runs/${run}/finish" },
          repeat: 1,
          captures: [],
          think: { kind: "fixed", ms: 3_000 },
        },
      ],
    },
    {
      name: "look",
      weight: 1,
      steps: [
        {
          request: { ...request, method: "GET", name: "home", path: "/" },
          repeat: 1,
          captures: [],
          think: { kind: "exponential", meanMs: 2_000 },
        },
      ],
    },
  ]);
});

test("a CSV file lies relative to the target file", async () => {
  const [training] = (await load(SESSIONS)).workloads;
  expect(training?.parameters.slice(0, 2)).toEqual([
    {
      name: "owner",
      source: { kind: "csv", path: join(folder.path, "data/owners.csv"), limit: 1_000_000 },
      distribution: { kind: "zipf", exponent: 1 },
    },
    {
      name: "few",
      source: { kind: "csv", path: join(folder.path, "../few.csv"), limit: 20 },
      distribution: { kind: "uniform" },
    },
  ]);
});

describe("a mistake is named with its line, its column and what was expected", () => {
  const at = "workloads.training.sessions[0].steps";
  test.each<[what: string, from: string, to: string, message: string]>([
    [
      "a capture that is used before it is there",
      'body: { owner: "${owner.id}" }',
      'body: { owner: "${run}" }',
      `t.yaml:48:28: ${at}[0].body.owner: expected \${run} only in steps after create, whose answer it is captured from, found it before`,
    ],
    [
      "a capture of another session",
      'path: "/", think',
      'path: "/${run}", think',
      "sessions[1].steps[0].path: expected a parameter of this workload (owner, few, loss), found ${run}",
    ],
    [
      "a misspelt capture",
      "/runs/${run}/finish",
      "/runs/${runn}/finish",
      `${at}[2].path: expected a parameter of this workload (owner, few, loss) or what an earlier step captures (run, token, first), found \${runn}; did you mean "run"?`,
    ],
    [
      "a column of a capture",
      "/runs/${run}/finish",
      "/runs/${run.id}/finish",
      `${at}[2].path: expected \${run}, which is a single value, found \${run.id}`,
    ],
    [
      "a step's name twice in one session",
      "name: finish",
      "name: log",
      `t.yaml:62:19: ${at}[2].name: expected a name of its own, found "log" again`,
    ],
    [
      "a step's name twice in the workload",
      "name: home",
      "name: create",
      'sessions[1].steps[0].name: expected a name of its own, found "create" again',
    ],
    [
      "a session's name twice",
      "name: look",
      "name: train",
      'sessions[1].name: expected a name of its own, found "train" again',
    ],
    [
      "a capture with a parameter's name",
      "token: { header",
      "few: { header",
      `${at}[0].capture.few: expected another name, found "few", which a parameter has already`,
    ],
    [
      "a capture with a name of placeholders",
      "token: { header",
      "index: { header",
      `${at}[0].capture.index: expected another name, found "index", which placeholders use already`,
    ],
    [
      "a capture from nowhere",
      "run: run.info.id",
      "run: run..id",
      `${at}[0].capture.run: expected a place in the JSON answer such as run.info.run_id or items[0].id, or { header: x-token }, found "run..id"`,
    ],
    [
      "a capture from a part of an answer that there is not",
      "{ header: X-Token }",
      "{ cookie: X-Token }",
      `${at}[0].capture.token: expected a place in the JSON answer such as run.info.run_id or items[0].id, or { header: x-token }, found a map`,
    ],
    [
      "a pause without a unit",
      "think: 3s",
      "think: 3",
      `${at}[2].think: expected a pause such as 2s, { uniform: [1s, 3s] } or { exponential: 2s }, where 2s is the mean, found 3`,
    ],
    [
      "a pause that is no range",
      "[100ms, 2s]",
      "[100ms]",
      `${at}[1].think: expected a pause such as 2s, { uniform: [1s, 3s] } or { exponential: 2s }, where 2s is the mean, found a map`,
    ],
    [
      "a range the wrong way round",
      "[100ms, 2s]",
      "[2s, 100ms]",
      `t.yaml:61:31: ${at}[1].think.uniform: expected the shorter pause first, the longer one second, found a list`,
    ],
    [
      "a step that is never done",
      "repeat: 12",
      "repeat: 0",
      `${at}[1].repeat: expected a number of at least 1, found 0`,
    ],
    ["a weight in a step", "repeat: 12", "weight: 12", `the unknown key "weight"`],
    [
      "a body in a GET request",
      'path: "/", think',
      'path: "/", body: {}, think',
      "sessions[1].steps[0].body: expected no body in a GET request, found a map",
    ],
    [
      "a session without steps",
      'steps:\n          - { name: home, path: "/", think: { exponential: 2s } }',
      "steps: []",
      "sessions[1].steps: expected a list of at least 1 item, found a list",
    ],
    [
      "requests beside sessions",
      "    sessions:",
      "    requests: [{ name: a, weight: 1, path: /a }]\n    sessions:",
      "workloads.training: expected one of requests and sessions, found both",
    ],
    [
      "a limit of what has none",
      "{ float: { min: 0, max: 1 } }",
      "{ float: { min: 0, max: 1 }, limit: 3 }",
      "parameters.loss.limit: expected limit beside sql or csv only, found 3",
    ],
  ])("%s", async (_, from, to, message) => {
    const found = await problems(edit(SESSIONS, from, to));
    expect(found[0]).toMatch(/^t\.yaml:\d+:\d+: /);
    expect(
      found.some((line) => line.includes(message)),
      found.join("\n"),
    ).toBe(true);
  });

  test("neither requests nor sessions", async () => {
    const without = edit(SESSIONS, SESSIONS.slice(SESSIONS.indexOf("    sessions:")), "");
    expect(await problems(without)).toEqual([
      "t.yaml:37:5: workloads.training: expected one of requests and sessions, found neither",
    ]);
  });
});
