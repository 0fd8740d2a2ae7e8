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
  /** False for what sends no load: it has no use for the service's headers, whose variables may be missing then. True by default. */
  readonly sendsLoad?: boolean;
}

/** Throws bad-input with every problem of the file; no message holds a secret of a URL or a header. */
export async function loadTarget(
  path: string,
  { env, sendsLoad = true }: TargetOptions,
): Promise<TargetFile> {
  const unused = sendsLoad ? [] : ["service.headers"];
  const target = validate(await readSource(path, { env, unused }), targetSchema(resolve(path)));
  if (sendsLoad) return target;
  const { headers: _, ...service } = target.service;
  return { ...target, service };
}
