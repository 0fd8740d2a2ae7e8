/** Target files: read, filled from the environment, validated. */
import { resolve } from "node:path";
import type { TargetFile } from "../core/target-file.ts";
import type { Environment } from "./environment.ts";
import { readSource } from "./source.ts";
import { targetSchema } from "./target-schema.ts";
import { validate } from "./validate.ts";

export interface TargetOptions {
  /** Fills `${env:NAME}` and `${env:NAME:-default}`. */
  readonly env: Environment;
}

/** Throws bad-input with every problem of the file; no message holds a secret of a URL. */
export async function loadTarget(path: string, { env }: TargetOptions): Promise<TargetFile> {
  return validate(await readSource(path, env), targetSchema(resolve(path)));
}
