// Artifacts of model versions: one small file each, kept compressed in PostgreSQL with its digest and signature.

import { promisify } from "node:util";
import { gunzip, gzip } from "node:zlib";
import type { Queryable } from "../database.ts";
import { doesNotExist } from "../errors.ts";
import type { RegistryError } from "../errors.ts";

/** Larger files belong in object storage: each one passes through this process and the database as a whole. */
export const ARTIFACT_BYTES_MAX = 8 * 1024 * 1024;

export type Artifact = {
  readonly path: string;
  readonly bytes: number;
  /** Of the content as it was sent, hexadecimal. */
  readonly sha256: string;
  /** Ed25519, of the content. */
  readonly signature: Uint8Array;
  readonly publicKeyPem: string;
  readonly content: Uint8Array;
};

/** What is known of an artifact, and its content as it is stored. */
export type PackedArtifact = {
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
  /** In gzip's form; null if one of the tags that the client has is this content's. */
  readonly packed: Uint8Array | null;
};

export type NewArtifact = Omit<Artifact, "bytes" | "publicKeyPem"> & {
  readonly name: string;
  readonly version: number;
  /** SPKI, DER. */
  readonly publicKey: Uint8Array;
};

type Row = {
  path: string;
  bytes: number;
  sha256: string;
  signature: Buffer;
  public_key: Buffer;
  content: Buffer;
};

// Asynchronous, and so on libuv's threads: UV_THREADPOOL_SIZE says how many at once.
const compress = promisify(gzip);
const decompress = promisify(gunzip);

/** The artifact of one version, unpacked; undefined if it has none. */
export async function artifactOf(
  database: Queryable,
  name: string,
  version: number,
): Promise<Artifact | undefined> {
  const [row] = await database.query<Row>(
    "SELECT path, bytes, sha256, signature, public_key, content FROM artifacts WHERE name = $1 AND version = $2",
    [name, version],
  );
  if (row === undefined) return undefined;
  const { path, bytes, sha256, signature } = row;
  return {
    path,
    bytes,
    sha256,
    signature,
    publicKeyPem: pemOf(row.public_key),
    content: await decompress(row.content, { maxOutputLength: ARTIFACT_BYTES_MAX }),
  };
}

/** How large the artifacts of these versions are, by version; those that have none are left out. */
export async function artifactBytes(
  database: Queryable,
  name: string,
  versions: readonly number[],
): Promise<ReadonlyMap<number, number>> {
  const rows = await database.query<{ version: number; bytes: number }>(
    "SELECT version, bytes FROM artifacts WHERE name = $1 AND version = ANY ($2::integer[])",
    [name, versions],
  );
  return new Map(rows.map(({ version, bytes }) => [version, bytes]));
}

/** Without the content where the client has it: `known` are digests, or "*" for any. */
export async function packedArtifactOf(
  database: Queryable,
  name: string,
  version: number,
  known: readonly string[],
): Promise<PackedArtifact | undefined> {
  const [row] = await database.query<PackedArtifact>(
    `SELECT path, bytes, sha256, CASE WHEN sha256 = ANY ($3::text[]) OR '*' = ANY ($3::text[]) THEN NULL ELSE content END AS packed
     FROM artifacts WHERE name = $1 AND version = $2`,
    [name, version, known],
  );
  return row;
}

/** Keeps the artifact of a version in place of the one before. The version has to exist. */
export async function keepArtifact(database: Queryable, artifact: NewArtifact): Promise<void> {
  const { name, version, path, sha256, signature, publicKey, content } = artifact;
  await database.query(
    `INSERT INTO artifacts (name, version, path, bytes, sha256, signature, public_key, content)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
     ON CONFLICT (name, version) DO UPDATE SET path = excluded.path, bytes = excluded.bytes, sha256 = excluded.sha256,
       signature = excluded.signature, public_key = excluded.public_key, content = excluded.content`,
    [
      name,
      version,
      path,
      content.byteLength,
      sha256,
      signature,
      publicKey,
      await compress(content),
    ],
  );
}

export function noArtifact(name: string, version: number): RegistryError {
  return doesNotExist(`Model Version (name=${name}, version=${version}) has no artifact.`);
}

/** An Ed25519 key in DER is 44 bytes, so that its base64 fits on one line. */
function pemOf(der: Buffer): string {
  return `-----BEGIN PUBLIC KEY-----\n${der.toString("base64")}\n-----END PUBLIC KEY-----\n`;
}
