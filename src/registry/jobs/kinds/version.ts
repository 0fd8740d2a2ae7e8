// What jobs on a model version have in common: whom they are about, and the artifact they look into.

import type { Compute } from "../../compute/compute.ts";
import type { Queryable } from "../../database.ts";
import { MODELS, modelScope } from "../../cache/keys.ts";
import type { Scope } from "../../cache/keys.ts";
import { PostponedError } from "../job.ts";
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

const REDONE_AFTER_MS = 100;

/**
 * Throws, so that the job is done again, if the artifact is not any more the one that was looked into. After the effect has locked the
 * version's row: what another job says of an artifact that comes after this look is then written after it.
 */
export async function expectUnchanged(
  connection: Queryable,
  { name, version }: Subject,
  looked: StoredArtifact | undefined,
): Promise<void> {
  const [now] = await connection.query<{ sha256: string; signature: Buffer; key: string }>(
    `SELECT sha256, signature, encode(public_key, 'base64') AS key FROM artifacts WHERE name = $1 AND version = $2`,
    [name, version],
  );
  if (now === undefined && looked === undefined) return;
  if (
    now?.sha256 === looked?.sha256 &&
    now?.signature.equals(looked?.signature ?? Buffer.alloc(0)) === true &&
    looked?.publicKeyPem.includes(now.key) === true
  )
    return;
  throw new PostponedError("The artifact was replaced meanwhile.", REDONE_AFTER_MS);
}

/** The texts of a list in a payload, which came from outside. */
export function textsOf(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];
}
