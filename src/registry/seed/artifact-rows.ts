// Rows of artifacts: those of the versions that are served, signed with a key that comes from the seed.

import { createHash, createPrivateKey, createPublicKey, sign } from "node:crypto";
import { gzipSync } from "node:zlib";
import { artifactContent, artifactPath } from "./artifact-content.ts";
import { aliasRows } from "./model-rows.ts";
import type { Row } from "./model-rows.ts";
import type { Model, World } from "./world.ts";

// An Ed25519 private key in PKCS#8 (RFC 8410) is these bytes and the key's 32.
const PKCS8_HEAD = Buffer.from("302e020100300506032b657004220420", "hex");

/**
 * The champion and the version before it, of the models with the most versions: those that the workloads ask for most. The compressed bytes
 * are the same only for the same zlib; what they hold is always the same.
 */
export function* artifactRows(seed: number, world: World): Generator<Row> {
  const key = createPrivateKey({
    key: Buffer.concat([PKCS8_HEAD, createHash("sha256").update(`artifacts of ${seed}`).digest()]),
    format: "der",
    type: "pkcs8",
  });
  const publicKey = createPublicKey(key).export({ format: "der", type: "spki" });
  for (const { model, version } of servedVersions(seed, world)) {
    const content = artifactContent(seed, model, version);
    yield [
      model.name,
      version,
      artifactPath(model),
      content.byteLength,
      createHash("sha256").update(content).digest("hex"),
      sign(null, content, key),
      publicKey,
      gzipSync(content),
    ];
  }
}

function servedVersions(seed: number, world: World): { model: Model; version: number }[] {
  const champions = new Map<string, number>();
  for (const [name, alias, version] of aliasRows(seed, world)) {
    if (alias === "champion") champions.set(String(name), Number(version));
  }
  return world.models
    .toSorted((a, b) => b.versions - a.versions || (a.name < b.name ? -1 : 1))
    .flatMap((model) => {
      const champion = champions.get(model.name) ?? 0;
      return [champion, champion - 1]
        .filter((version) => version >= 1)
        .map((version) => ({ model, version }));
    })
    .slice(0, world.artifacts);
}
