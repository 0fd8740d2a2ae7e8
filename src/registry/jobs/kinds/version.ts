// What jobs on a model version have in common: whom they are about, and the artifact they look into.

import type { Compute } from "../../compute/compute.ts";
import type { Queryable } from "../../database.ts";
import { MODELS, modelScope } from "../../cache/keys.ts";
import type { Scope } from "../../cache/keys.ts";
import type { Payload } from "../job.ts";

export type StoredArtifact = {
  readonly sha256: string;
  readonly signature: Uint8Array;
  readonly publicKeyPem: string;
  readonly content: Uint8Array;
};

export type FindArtifact = (
  database: Queryable,
  name: string,
  version: number,
) => Promise<StoredArtifact | undefined>;

export type VersionTools = {
  readonly database: Queryable;
  readonly compute: Pick<Compute, "check" | "scan">;
  readonly artifactOf: FindArtifact;
};

export type Subject = { readonly name: string; readonly version: number };

export function subjectOf({ name, version }: Payload): Subject {
  return { name: String(name), version: Number(version) };
}

/** A version that was deleted, or renamed with its model, while the job waited: there is nothing left to do. */
export const GONE = { result: { skipped: "The model version is gone." } } as const;

export function scopesOf({ name }: Subject): readonly Scope[] {
  return [MODELS, modelScope(name)];
}

/** The texts of a list in a payload, which came from outside. */
export function textsOf(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];
}
