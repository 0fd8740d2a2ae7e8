/** Whatever is done to a profile, loading it ends in a profile or in an error that says where: never in a crash. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { z } from "zod";
import { PerfoptError } from "../../src/core/errors.ts";
import { personaSchema } from "../../src/profiles/persona-schema.ts";
import { parseSource } from "../../src/profiles/source.ts";
import { targetSchema } from "../../src/profiles/target-schema.ts";
import { validate } from "../../src/profiles/validate.ts";
import { TARGET } from "./target-fixture.ts";

const PUT_INSTEAD = ["", "{}", "[]", "-1", "true", '""', "x", "{ a: 1 }", "[1]", "*a", "${env:A}"];

test.each<[string, string, z.ZodType]>([
  ["a persona", readFileSync("profiles/speed-runner.yaml", "utf8"), personaSchema(["micro-cache"])],
  ["a target", TARGET, targetSchema("/t.yaml")],
])(
  "%s with any one line or value changed",
  (_, text, schema) => {
    let refused = 0;
    for (const mangled of manglings(text)) {
      try {
        validate(parseSource("p.yaml", mangled, { env: {} }), schema);
      } catch (error) {
        if (!(error instanceof PerfoptError)) throw new Error(mangled, { cause: error });
        for (const line of error.message.split("\n")) expect(line).toMatch(/^p\.yaml:\d+:\d+: /);
        refused += 1;
      }
    }
    expect(refused).toBeGreaterThan(200);
  },
  60_000,
);

function* manglings(text: string): Generator<string> {
  const lines = text.split("\n");
  for (const [index, line] of lines.entries()) {
    if (line.trim() === "" || line.trim().startsWith("#")) continue;
    const change = (to: readonly string[]) => lines.toSpliced(index, 1, ...to).join("\n");
    yield change([]);
    yield change([line, line]);
    yield change([`  ${line}`]);
    for (const match of line.matchAll(/(?<=[:,[] )[^\s,:{}[\]][^,{}[\]]*/g)) {
      for (const value of PUT_INSTEAD) {
        const end = match.index + match[0].length;
        yield change([line.slice(0, match.index) + value + line.slice(end)]);
      }
    }
  }
}
