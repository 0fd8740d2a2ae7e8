// Endpoints that work on the artifacts of model versions, with the CPU work on the pool of threads.

import { readEndpoint } from "../endpoint.ts";
import type { Backend, Endpoint } from "../endpoint.ts";
import { name, version } from "../fields.ts";
import { record } from "../shape.ts";
import { artifactOf, noArtifact } from "./store.ts";
import type { Artifact } from "./store.ts";

const one = record({ name, version });
const two = record({ name, version, other_version: version });

export function artifactEndpoints(backend: Backend): Endpoint[] {
  return [
    readEndpoint("POST", "model-versions/verify", one, async (input) =>
      answer(await verify(backend, input.name, input.version)),
    ),
    readEndpoint("POST", "model-versions/scan", one, async (input) => {
      const { content } = await existing(backend, input.name, input.version);
      return answer({ findings: await backend.compute.scan(content) });
    }),
    readEndpoint("POST", "model-versions/diff", two, async (input) => {
      const [before, after] = await Promise.all([
        existing(backend, input.name, input.version),
        existing(backend, input.name, input.other_version),
      ]);
      return answer(await backend.compute.diff(before.content, after.content));
    }),
  ];
}

/** Never from a cache: what is asked for is what is stored now. */
async function verify(backend: Backend, name: string, version: number): Promise<object> {
  const artifact = await existing(backend, name, version);
  const { sha256, signatureValid } = await backend.compute.check(
    artifact.content,
    artifact.signature,
    artifact.publicKeyPem,
  );
  return {
    digest_matches: sha256 === artifact.sha256,
    signature_valid: signatureValid,
    sha256,
    bytes: artifact.content.byteLength,
  };
}

async function existing(backend: Backend, name: string, version: number): Promise<Artifact> {
  const artifact = await artifactOf(backend.database, name, version);
  if (artifact === undefined) throw noArtifact(name, version);
  return artifact;
}

function answer(body: object): { readonly body: string } {
  return { body: JSON.stringify(body) };
}
