// Validates a model version: its artifact is there and is what was signed, and the tags and metrics that are asked for are set.

import type { Job, Outcome } from "../job.ts";
import { expectUnchanged, GONE, scopesOf, subjectOf, textsOf } from "./version.ts";
import type { StoredArtifact, Subject, VersionTools } from "./version.ts";

type Facts = {
  tags: string[];
  metrics: string[];
  required_tags: string | null;
  required_metrics: string | null;
};

/** Tags of a model that say, separated by commas, what each of its versions must have. */
const REQUIRED_TAGS = "validation.required_tags";
const REQUIRED_METRICS = "validation.required_metrics";

/** Writes the version's status: READY, or FAILED_REGISTRATION with all that is wrong as its message. */
export async function validate({ payload }: Job, tools: VersionTools): Promise<Outcome> {
  const subject = subjectOf(payload);
  const facts = await findFacts(subject, tools);
  if (facts === undefined) return GONE;
  const artifact = await tools.artifactOf(tools.database, subject.name, subject.version);
  const wrong = [
    ...(await wrongWithArtifact(artifact, tools)),
    ...missing("tag", facts.tags, [
      ...names(facts.required_tags),
      ...textsOf(payload["required_tags"]),
    ]),
    ...missing("metric", facts.metrics, [
      ...names(facts.required_metrics),
      ...textsOf(payload["required_metrics"]),
    ]),
  ];
  const status = wrong.length === 0 ? "READY" : "FAILED_REGISTRATION";
  const message = wrong.length === 0 ? null : wrong.join(" ");
  return {
    result: { status, wrong },
    async effect(connection) {
      await connection.query(
        `UPDATE model_versions SET status = $3, status_message = $4, last_updated_timestamp = $5
         WHERE name = $1 AND version = $2`,
        [subject.name, subject.version, status, message, Date.now()],
      );
      await expectUnchanged(connection, subject, artifact);
    },
    scopes: scopesOf(subject),
  };
}

async function findFacts(
  { name, version }: Subject,
  { database }: VersionTools,
): Promise<Facts | undefined> {
  const [facts] = await database.query<Facts>(
    `SELECT ARRAY(SELECT key FROM model_version_tags t WHERE t.name = v.name AND t.version = v.version) AS tags,
       ARRAY(SELECT key FROM latest_metrics m WHERE m.run_id = v.run_id) AS metrics,
       (SELECT value FROM registered_model_tags r WHERE r.name = v.name AND r.key = $3) AS required_tags,
       (SELECT value FROM registered_model_tags r WHERE r.name = v.name AND r.key = $4) AS required_metrics
     FROM model_versions v WHERE v.name = $1 AND v.version = $2`,
    [name, version, REQUIRED_TAGS, REQUIRED_METRICS],
  );
  return facts;
}

async function wrongWithArtifact(
  artifact: StoredArtifact | undefined,
  { compute }: VersionTools,
): Promise<readonly string[]> {
  if (artifact === undefined) return ["There is no artifact."];
  const { content, signature, publicKeyPem } = artifact;
  const { sha256, signatureValid } = await compute.check(content, signature, publicKeyPem);
  return [
    ...(sha256 === artifact.sha256
      ? []
      : [`The artifact's SHA-256 is ${sha256}, not ${artifact.sha256}.`]),
    ...(signatureValid ? [] : ["The artifact's signature is not valid."]),
  ];
}

function missing(
  what: string,
  there: readonly string[],
  required: readonly string[],
): readonly string[] {
  return [...new Set(required)]
    .filter((name) => !there.includes(name))
    .map((name) => `The ${what} ${name} is missing.`);
}

function names(list: string | null): readonly string[] {
  return (list ?? "")
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "");
}
