/** The JSON Schemas that editors use are those of the code, and say what each field is. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { expect, test } from "vitest";
import { jsonSchemaFiles } from "../../src/profiles/json-schema.ts";

const PROFILES = resolve("profiles");

test("the files in profiles/schema are up to date (else: npx tsx scripts/schemas.ts)", () => {
  for (const [name, contents] of Object.entries(jsonSchemaFiles())) {
    expect(readFileSync(join(PROFILES, "schema", name), "utf8"), name).toBe(contents);
  }
});

test("every field has a description", () => {
  for (const [name, contents] of Object.entries(jsonSchemaFiles())) {
    const fields = fieldsOf(schemaOf(contents));
    expect(fields.length, name).toBeGreaterThan(20);
    expect(
      fields.filter(([, schema]) => schema.description === undefined).map(([at]) => at),
    ).toEqual([]);
  }
});

test("every profile begins with the line that shows editors its schema", () => {
  const files = ["", "targets"].flatMap((folder) =>
    readdirSync(join(PROFILES, folder))
      .filter((name) => name.endsWith(".yaml"))
      .map((name) => join(PROFILES, folder, name)),
  );
  expect(files.length).toBeGreaterThan(3);
  for (const file of files) {
    const [first = ""] = readFileSync(file, "utf8").split("\n");
    const schema = /^# yaml-language-server: \$schema=(\S+)$/.exec(first)?.[1];
    expect(schema, file).toBeDefined();
    const kind = file.includes("targets") ? "target" : "persona";
    expect(resolve(dirname(file), schema ?? "")).toBe(
      join(PROFILES, "schema", `${kind}.schema.json`),
    );
  }
});

interface Schema {
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly additionalProperties?: Schema | boolean;
}

function schemaOf(contents: string): Schema {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the file is the one that the code has just written
  return JSON.parse(contents) as Schema;
}

function fieldsOf(schema: Schema, at = ""): [string, Schema][] {
  const inside = [schema.items, schema.additionalProperties].flatMap((each) =>
    typeof each === "object" ? fieldsOf(each, `${at}[]`) : [],
  );
  const own = Object.entries(schema.properties ?? {}).flatMap(
    ([name, each]): [string, Schema][] => [
      [`${at}.${name}`, each],
      ...fieldsOf(each, `${at}.${name}`),
    ],
  );
  return [...own, ...inside];
}
