// Endpoints that work on the artifacts of model versions, with the CPU work on the pool of threads.

import { readEndpoint } from "../endpoint.ts";
import type { Backend, Endpoint } from "../endpoint.ts";
import { name, version } from "../fields.ts";
import { record } from "../shape.ts";
import { artifactBytes, artifactOf, noArtifact } from "./store.ts";
import type { Artifact } from "./store.ts";

const one = record({ name, version });
const two = record({ name, version, other_version: version });

export function artifactEndpoints(backend: Backend): Endpoint[] {
  const { compute } = backend;
  return [
    readEndpoint("POST", "model-versions/verify", one, (input, gone) =>
      onArtifacts(backend, input.name, [input.version], async ([artifact]) =>
        verify(backend, artifact, gone?.()),
      ),
    ),
    readEndpoint("POST", "model-versions/scan", one, (input, gone) =>
      onArtifacts(backend, input.name, [input.version], async ([{ content }]) => ({
        findings: await compute.scan(content, gone?.()),
      })),
    ),
    readEndpoint("POST", "model-versions/diff", two, (input, gone) =>
      onArtifacts(
        backend,
        input.name,
        [input.version, input.other_version],
        ([before, after = before]) => compute.diff(before.content, after.content, gone?.()),
      ),
    ),
  ];
}

/** Never from a cache: what is asked for is what is stored now. */
async function verify(
  { compute }: Backend,
  artifact: Artifact,
  gone: AbortSignal | undefined,
): Promise<object> {
  const { content, signature, publicKeyPem } = artifact;
  const { sha256, signatureValid } = await compute.check(content, signature, publicKeyPem, gone);
  return {
    digest_matches: sha256 === artifact.sha256,
    signature_valid: signatureValid,
    sha256,
    bytes: content.byteLength,
  };
}

/**
 * Answers what is made of the versions' artifacts, in the versions' order. Room for them is taken before they are fetched and unpacked: one that is
 * replaced by a larger one in between is held beyond it, up to 8 MB.
 */
async function onArtifacts(
  { database, compute }: Backend,
  name: string,
  versions: readonly [number, ...number[]],
  work: (artifacts: readonly [Artifact, ...Artifact[]]) => Promise<object>,
): Promise<{ readonly body: string }> {
  const existing = async (version: number): Promise<Artifact> => {
    const artifact = await artifactOf(database, name, version);
    if (artifact === undefined) throw noArtifact(name, version);
    return artifact;
  };
  const sizes = await artifactBytes(database, name, versions);
  const bytes = versions.map((version) => {
    const size = sizes.get(version);
    if (size === undefined) throw noArtifact(name, version);
    return size;
  });
  const release = compute.reserve(bytes.reduce((total, size) => total + size, 0));
  try {
    const [first, ...others] = versions;
    const artifacts = await Promise.all([existing(first), ...others.map(existing)]);
    return { body: JSON.stringify(await work(artifacts)) };
  } finally {
    release();
  }
}
