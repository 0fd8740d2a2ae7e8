/** JSON Schemas of persona and target files, for editors: generated from the schemas that validate them. */
import { z } from "zod";
import { personaSchema } from "./persona-schema.ts";
import { targetSchema } from "./target-schema.ts";

/** File names under profiles/schema and their contents. */
export function jsonSchemaFiles(): Readonly<Record<string, string>> {
  return {
    "persona.schema.json": render("perfopt persona", personaSchema()),
    "target.schema.json": render("perfopt target", targetSchema("/target.yaml")),
  };
}

function render(title: string, schema: z.ZodType): string {
  // What people write, not what it becomes; draft 7 is what the YAML language server knows best.
  const { $schema, ...rest } = z.toJSONSchema(schema, { io: "input", target: "draft-7" });
  return `${JSON.stringify({ $schema, title, ...rest }, undefined, 2)}\n`;
}
