import { afterAll, expect, test } from "vitest";
import { loadTarget } from "../../src/profiles/target.ts";
import { edit, openFolder, problemsOf } from "./fixture.ts";
import { TARGET } from "./target-fixture.ts";

const folder = openFolder();
afterAll(() => folder.remove());

const MB = 1024 ** 2;
const LAST = "  warm: { title: Warm, type: bool, default: true, env: WARM }";
/** The target with one knob more. */
const withKnob = (knob: string) => edit(TARGET, LAST, `${LAST}\n  more: { title: More, ${knob} }`);
const problems = async (text: string) => (await problemsOf(folder, () => load(text))).join("\n");
const load = (text: string) => loadTarget(folder.write("t.yaml", text), { env: {} });

test.each<[string, Record<string, unknown>]>([
  [
    "type: bytes, min: 0MB, max: 1GB, default: 64MB, nodeOption: --max-old-space-size, unit: mb",
    {
      domain: { kind: "bytes", min: 0, max: 1024 * MB },
      default: 64 * MB,
      set: { kind: "node-option", flag: "--max-old-space-size", unit: "mb" },
    },
  ],
  [
    "type: int, min: 0, max: 100, default: 10, nodeOption: --stack-trace-limit",
    {
      domain: { kind: "int", min: 0, max: 100 },
      default: 10,
      set: { kind: "node-option", flag: "--stack-trace-limit" },
    },
  ],
  [
    "role: pg-random-page-cost, type: number, min: 1, max: 10, default: 1.1, postgres: random_page_cost",
    {
      role: "pg-random-page-cost",
      domain: { kind: "number", min: 1, max: 10 },
      default: 1.1,
      set: { kind: "postgres", parameter: "random_page_cost" },
    },
  ],
  [
    "role: pg-jit, type: bool, default: true, postgres: jit",
    {
      role: "pg-jit",
      domain: { kind: "bool" },
      default: true,
      set: { kind: "postgres", parameter: "jit" },
    },
  ],
])("%s", async (knob, expected) => {
  const { knobs } = await load(withKnob(knob));
  expect(knobs.at(-1)).toEqual({ id: "more", title: "More", scope: "restart", ...expected });
});

const SPACE = "type: bytes, min: 0MB, max: 1GB, default: 64MB, nodeOption: --max-old-space-size";

test.each<[what: string, knob: string, message: string]>([
  [
    "two setters",
    "type: int, min: 1, max: 2, default: 1, env: A, postgres: work_mem",
    "expected one of env, redis, nodeOption and postgres, found env and postgres",
  ],
  [
    "no flag",
    "type: int, min: 1, max: 2, default: 1, nodeOption: max-old-space-size",
    "knobs.more.nodeOption: expected a flag of Node such as --max-semi-space-size",
  ],
  [
    "a flag with its value",
    "type: int, min: 1, max: 2, default: 1, nodeOption: --a=1",
    "knobs.more.nodeOption: expected a flag of Node",
  ],
  [
    "no setting's name",
    "type: int, min: 1, max: 2, default: 1, postgres: work-mem",
    "knobs.more.postgres: expected the name of a PostgreSQL setting",
  ],
  [
    "a unit for PostgreSQL",
    "type: bytes, min: 1MB, max: 2MB, default: 1MB, postgres: work_mem, unit: mb",
    "knobs.more.unit: expected no unit for a store's parameter",
  ],
  [
    "seconds for a flag",
    `${SPACE}, unit: s`,
    "knobs.more.unit: expected one of bytes, mb for the type bytes",
  ],
  [
    "a role's other type",
    "role: pg-random-page-cost, type: int, min: 1, max: 4, default: 1, postgres: random_page_cost",
    "knobs.more.type: expected number for the role pg-random-page-cost",
  ],
  [
    "a word for a number",
    "type: number, min: 1, max: 4, default: much, postgres: random_page_cost",
    "knobs.more.default: expected a default between min and max",
  ],
])("%s is refused", async (_, knob, message) => {
  expect(await problems(withKnob(knob))).toContain(message);
});

test.each([
  "--max-old-space-size=512",
  "--max_old_space_size=512",
  "--trace-gc --max-old-space-size=512",
])("a start command with %s is refused: it would win over the knob", async (flag) => {
  const text = edit(withKnob(SPACE), 'node --title "my shop"', `node ${flag} --title "my shop"`);
  expect(await problems(text)).toContain(
    "knobs.more.nodeOption: expected --max-old-space-size not to be in service.start",
  );
});

test("a longer flag in the start command is another one", async () => {
  const text = edit(
    withKnob(SPACE),
    "node --title",
    "node --max-old-space-size-percentage=50 --title",
  );
  expect((await load(text)).knobs).toHaveLength(6);
});

test("a knob that is NODE_OPTIONS as a whole stands in the way of flags", async () => {
  const text = edit(withKnob(SPACE), "env: MODE", "env: NODE_OPTIONS");
  expect(await problems(text)).toContain("expected no other knob to set the variable NODE_OPTIONS");
});
