/** Result files: reading them with errors that say where, and writing them whole or not at all. */
import { randomUUID } from "node:crypto";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { z } from "zod";
import { messageOf, PerfoptError, redactSecrets } from "../core/errors.ts";
import type { GateResult, SelfTestResult } from "../core/gate.ts";
import type { DoctorResult } from "../core/diagnosis.ts";
import type { HistoryRecord } from "../core/history.ts";
import type { BenchResult } from "../core/result.ts";
import { benchSchema, historySchema } from "./bench-schema.ts";
import { doctorSchema } from "./doctor-schema.ts";
import { gateSchema, selfTestSchema } from "./gate-schema.ts";

/** What `--json` prints and `--output` writes. */
export type ResultDocument = BenchResult | GateResult | SelfTestResult;

/** A kind of file: its name before the slash of `schema`, what writes it, and what it looks like. */
export interface Kind<T> {
  readonly name: string;
  readonly made: string;
  readonly schema: () => z.ZodType<T>;
}

export const BENCH: Kind<BenchResult> = {
  name: "perfopt-result",
  made: "perfopt bench",
  schema: benchSchema,
};

export const GATE: Kind<GateResult> = {
  name: "perfopt-gate",
  made: "perfopt gate",
  schema: gateSchema,
};

export const SELF_TEST: Kind<SelfTestResult> = {
  name: "perfopt-self-test",
  made: "perfopt gate --self-test",
  schema: selfTestSchema,
};

export const HISTORY: Kind<HistoryRecord> = {
  name: "perfopt-history",
  made: "perfopt bench --append",
  schema: historySchema,
};

export const DOCTOR: Kind<DoctorResult> = {
  name: "perfopt-doctor",
  made: "perfopt doctor",
  schema: doctorSchema,
};

const KINDS: readonly Kind<unknown>[] = [BENCH, GATE, SELF_TEST, HISTORY, DOCTOR];

/** All that this version reads and writes. */
const MAJOR = 1;

const PROBLEMS_SHOWN = 10;

/** Reads a result file of one kind. Throws bad-input that names the file, the place in it and what was expected there. */
export async function readResult<T>(path: string, kind: Kind<T>): Promise<T> {
  return parseResult(await read(path, kind), path, kind);
}

/** The same from text; `where` names it in errors: a file, or a file with the number of a line. */
export function parseResult<T>(text: string, where: string, kind: Kind<T>): T {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw wrong(`${where} is not JSON: ${messageOf(error)}`, wanted(kind), error);
  }
  checkName(value, where, kind);
  const parsed = kind.schema().safeParse(value);
  if (parsed.success) return parsed.data;
  throw wrong(
    problemsOf(parsed.error, where).join("\n"),
    `the file was changed after it was written, or damaged; ${wanted(kind)}`,
  );
}

/** Writes beside the file and renames, so that nobody ever reads half a result. */
export async function writeResult(path: string, result: ResultDocument): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const temporary = `${path}.${randomUUID()}.tmp`;
  try {
    await writeFile(temporary, `${redactSecrets(JSON.stringify(result, null, 2))}\n`);
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw wrong(
      `the result could not be written to ${path}: ${messageOf(error)}`,
      "check the folder and the space on its disk",
      error,
    );
  }
}

/** File names under schema/ and their contents: JSON Schemas, so that other programs can check and read results. */
export function resultSchemaFiles(): Readonly<Record<string, string>> {
  return Object.fromEntries(
    KINDS.map(({ name, made, schema }) => {
      const { $schema, ...rest } = z.toJSONSchema(schema(), { io: "input", target: "draft-7" });
      const title = `${name}/v${MAJOR}: what ${made} writes`;
      const text = JSON.stringify({ $schema, title, ...rest }, undefined, 2);
      return [`${name.replace("perfopt-", "")}.schema.json`, `${text}\n`];
    }),
  );
}

async function read(path: string, kind: Kind<unknown>): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    throw wrong(`${path} cannot be read: ${messageOf(error)}`, wanted(kind), error);
  }
}

/** Another kind, or a version that this program does not know, is said before the hundred keys that then do not fit. */
function checkName(value: unknown, where: string, kind: Kind<unknown>): void {
  const found = nameIn(value);
  if (found === undefined)
    throw wrong(`${where} has no "schema", so it is no result of perfopt`, wanted(kind));
  const [name, version] = found.split("/");
  const other = KINDS.find((each) => each.name === name);
  if (!other) throw wrong(`${where} is "${found}", which perfopt does not know`, wanted(kind));
  if (other.name !== kind.name) {
    throw wrong(`${where} was written by ${other.made}, not by ${kind.made}`, wanted(kind));
  }
  if (version !== `v${MAJOR}`) {
    throw wrong(
      `${where} is "${found}", and this version of perfopt reads v${MAJOR} only`,
      "use the version of perfopt that wrote it, or measure again; results of different schema versions cannot be compared",
    );
  }
}

function nameIn(value: unknown): string | undefined {
  if (typeof value !== "object" || value === null || !("schema" in value)) return undefined;
  return typeof value.schema === "string" ? value.schema : undefined;
}

function wanted(kind: Kind<unknown>): string {
  return kind.name === BENCH.name
    ? "give the result.json of `perfopt bench --output FOLDER`, or what `perfopt bench --json` printed"
    : `give what \`${kind.made}\` wrote`;
}

function problemsOf(error: z.ZodError, where: string): readonly string[] {
  const lines = error.issues.map(
    ({ path, message }) =>
      `${where}: ${pathText(path)}: ${message.replace(/^Invalid input: /, "")}`,
  );
  const more = lines.length - PROBLEMS_SHOWN;
  return more <= 0 ? lines : [...lines.slice(0, PROBLEMS_SHOWN), `and ${more} more`];
}

/** `windows[2].metrics`; `the whole` for the root. */
function pathText(path: readonly PropertyKey[]): string {
  const text = path
    .map((key) => (typeof key === "number" ? `[${key}]` : `.${String(key)}`))
    .join("");
  return text.replace(/^\./, "") || "the whole";
}

function wrong(message: string, hint: string, cause?: unknown): PerfoptError {
  return new PerfoptError("bad-input", message, hint, cause === undefined ? {} : { cause });
}
