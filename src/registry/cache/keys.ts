// Names of cached values and of the scopes whose generations keep them honest.

import { createHash } from "node:crypto";

/** The part of the data a value was read from; a write names the scopes it changed. */
export type Scope = string;

const PREFIX = "reg:v1";

export const INVALIDATION_CHANNEL = `${PREFIX}:invalidate`;

export const MODELS: Scope = "models";
export const EXPERIMENTS: Scope = "experiments";
/** The metrics of any run, and what is told of runs beside them: what aggregates over many runs depend on. */
export const METRICS: Scope = "metrics";
export const modelScope = (name: string): Scope => `model=${encodeURIComponent(name)}`;
export const runsScope = (experimentId: string): Scope =>
  `runs=${encodeURIComponent(experimentId)}`;
export const runScope = (runId: string): Scope => `run=${encodeURIComponent(runId)}`;

/** reg:v1:<entity>:<scope>:<hash of the parameters>. */
export function cacheKey(entity: string, scopes: readonly Scope[], parameters: unknown): string {
  const [first = "none"] = scopes;
  const scope = scopes.length > 1 ? `${first}+${scopes.length - 1}` : first;
  return `${PREFIX}:${entity}:${scope}:${digest(JSON.stringify([scopes, parameters]))}`;
}

/** What the keys of one endpoint begin with; names are left out. */
export function entityPrefix(key: string): string {
  return key.split(":", 3).join(":");
}

export function generationKey(scope: Scope): string {
  return `${PREFIX}:gen:${scope}`;
}

export function digest(text: string): string {
  return createHash("sha1").update(text).digest("base64url");
}
