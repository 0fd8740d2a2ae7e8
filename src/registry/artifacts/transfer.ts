// Takes artifacts in and gives them out: bytes, where the other endpoints speak JSON.

import { createPublicKey } from "node:crypto";
import { Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { API_BASE } from "../endpoint.ts";
import type { Backend } from "../endpoint.ts";
import { invalidParameter } from "../errors.ts";
import { name, version } from "../fields.ts";
import { writeWithValidation } from "../jobs/events.ts";
import { record, text } from "../shape.ts";
import type { Shaped } from "../shape.ts";
import { ARTIFACT_BYTES_MAX, keepArtifact, noArtifact, packedArtifactOf } from "./store.ts";

const URL = `${API_BASE}/model-versions/artifact`;
const BYTES_TYPE = "application/octet-stream";
// Each chunk is a round trip to libuv's threads; zlib's own 16 kB would make many of them.
const CHUNK_BYTES = 64 * 1024;
const SIGNATURE_BYTES = 64;

const putInput = record({ name, version, path: text(500) });
const getInput = record({ name, version });

/** In a scope of its own, so that no other endpoint takes a body of bytes. */
export function addArtifactTransfer(server: FastifyInstance, backend: Backend): void {
  server.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser(
      BYTES_TYPE,
      { parseAs: "buffer", bodyLimit: ARTIFACT_BYTES_MAX },
      (_request, body, done) => done(null, body),
    );
    scope.route<{ Querystring: Shaped<typeof putInput> }>({
      method: "PUT",
      url: URL,
      bodyLimit: ARTIFACT_BYTES_MAX,
      schema: { querystring: putInput.schema },
      handler: (request) => put(backend, request.query, request),
    });
    scope.route<{ Querystring: Shaped<typeof getInput> }>({
      method: "GET",
      url: URL,
      schema: { querystring: getInput.schema },
      handler: (request, reply) => get(backend, request.query, request, reply),
    });
  });
}

async function put(
  backend: Backend,
  { name, version, path }: Shaped<typeof putInput>,
  request: FastifyRequest,
): Promise<object> {
  // A request without a body has no type either, and then no parser saw it.
  const content = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
  const signature = fromBase64(request, "x-artifact-signature");
  if (signature.byteLength !== SIGNATURE_BYTES)
    throw invalidParameter(
      `Header x-artifact-signature holds ${signature.byteLength} bytes; an Ed25519 signature has ${SIGNATURE_BYTES}, in base64.`,
    );
  const publicKey = fromBase64(request, "x-artifact-public-key");
  if (!isEd25519(publicKey))
    throw invalidParameter(
      "Header x-artifact-public-key is no Ed25519 public key (SPKI, DER, in base64).",
    );
  const release = backend.compute.reserve(content.byteLength);
  try {
    const sha256 = await backend.compute.digest(content);
    holdAgainst(request.headers["content-digest"], sha256);
    const artifact = { name, version, path, sha256, signature, publicKey, content };
    await writeWithValidation(backend, name, version, (connection) =>
      keepArtifact(connection, artifact),
    );
    return { artifact: { name, version, path, bytes: content.byteLength, sha256 } };
  } finally {
    release();
  }
}

function fromBase64(request: FastifyRequest, header: string): Buffer {
  const value = request.headers[header];
  if (typeof value !== "string" || value === "")
    throw invalidParameter(`Header ${header} is missing; it is required.`);
  return Buffer.from(value, "base64");
}

function isEd25519(der: Buffer): boolean {
  try {
    const key = createPublicKey({ key: der, format: "der", type: "spki" });
    return key.asymmetricKeyType === "ed25519";
  } catch {
    return false;
  }
}

/** RFC 9530: `sha-256=:base64:` among others, which are not looked at. */
function holdAgainst(contentDigest: string | string[] | undefined, sha256: string): void {
  if (contentDigest === undefined) return;
  const claimed = /(?:^|,)\s*sha-256=:([A-Za-z0-9+/=]+):/.exec(String(contentDigest))?.[1];
  if (claimed === undefined)
    throw invalidParameter("Header content-digest holds no sha-256 (RFC 9530: sha-256=:base64:).");
  if (Buffer.from(claimed, "base64").toString("hex") !== sha256)
    throw invalidParameter(
      `The content's SHA-256 is ${sha256}, not what header content-digest says; send it again.`,
    );
}

async function get(
  backend: Backend,
  { name, version }: Shaped<typeof getInput>,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const known = tagsOf(request.headers["if-none-match"]);
  const artifact = await packedArtifactOf(backend.database, name, version, known);
  if (artifact === undefined) throw noArtifact(name, version);
  reply.header("etag", `"${artifact.sha256}"`).header("cache-control", "private, no-cache");
  if (artifact.packed === null) return reply.code(304).send();
  const digest = Buffer.from(artifact.sha256, "hex").toString("base64");
  return reply
    .type(BYTES_TYPE)
    .header("content-length", artifact.bytes)
    .header("content-digest", `sha-256=:${digest}:`)
    .header("content-disposition", `attachment; filename*=UTF-8''${extendedValue(artifact.path)}`)
    .send(unpacked(artifact.packed));
}

/** RFC 8187, section 3.2.1: of what encodeURIComponent leaves as it is, these are no attr-char. */
function extendedValue(value: string): string {
  return encodeURIComponent(value).replace(
    /['()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

/** RFC 9110, section 13.1.2: the comparison is weak. */
function tagsOf(ifNoneMatch: string | undefined): string[] {
  if (ifNoneMatch === undefined) return [];
  return ifNoneMatch.split(",").map((tag) =>
    tag
      .trim()
      .replace(/^W\//, "")
      .replace(/^"(.*)"$/, "$1"),
  );
}

/** Content that cannot be unpacked breaks the connection off, since the answer's head is under way by then. */
function unpacked(packed: Uint8Array): Readable {
  const source = Readable.from([packed]);
  const target = createGunzip({ chunkSize: CHUNK_BYTES });
  source.on("error", (error) => target.destroy(error));
  return source.pipe(target);
}
