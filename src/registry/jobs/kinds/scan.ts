// Scans a version's artifact for what would run code or give away secrets, and tags the version with what was found.

import type { Compute, ScanFinding } from "../../compute/compute.ts";
import type { Job, Outcome } from "../job.ts";
import { expectUnchanged, scopesOf, subjectOf } from "./version.ts";
import type { VersionTools } from "./version.ts";

type Findings = Awaited<ReturnType<Compute["scan"]>>;

const TAG_PREFIX = "scan.";
/** Of one rule, how many findings a tag tells of; all are counted. */
const TOLD_MAX = 5;
const TEXT_CHARS_MAX = 8_000;

/** Sets the tags scan.sha256, scan.findings (their number) and one for each rule that found something; those of earlier scans go. */
export async function scan({ payload }: Job, tools: VersionTools): Promise<Outcome> {
  const subject = subjectOf(payload);
  const artifact = await tools.artifactOf(tools.database, subject.name, subject.version);
  if (artifact === undefined) return { result: { skipped: "The version has no artifact." } };
  const findings = await tools.compute.scan(artifact.content);
  const tags = [
    ["sha256", artifact.sha256],
    ["findings", String(findings.length)],
    ...tagsOf(findings),
  ];
  return {
    result: { findings: findings.length },
    async effect(connection) {
      const version = [subject.name, subject.version];
      // Two scans of one version: the second's tags are all there is in the end.
      await connection.query(
        "SELECT 1 FROM model_versions WHERE name = $1 AND version = $2 FOR NO KEY UPDATE",
        version,
      );
      await expectUnchanged(connection, subject, artifact);
      // In key order, so that this and a client that deletes tags cannot wait for each other in a circle.
      await connection.query(
        `DELETE FROM model_version_tags WHERE (name, version, key) IN (SELECT name, version, key FROM model_version_tags
           WHERE name = $1 AND version = $2 AND starts_with(key, $3) ORDER BY key FOR UPDATE)`,
        [...version, TAG_PREFIX],
      );
      await connection.query(
        `INSERT INTO model_version_tags (name, version, key, value)
         SELECT v.name, v.version, $3 || t.key, t.value FROM model_versions v, unnest($4::text[], $5::text[]) AS t (key, value)
         WHERE v.name = $1 AND v.version = $2 ORDER BY t.key
         ON CONFLICT (name, version, key) DO UPDATE SET value = excluded.value`,
        [...version, TAG_PREFIX, tags.map(([key]) => key), tags.map(([, value]) => value)],
      );
    },
    scopes: scopesOf(subject),
  };
}

function tagsOf(findings: Findings): readonly (readonly [string, string])[] {
  const byRule = new Map<string, ScanFinding[]>();
  for (const finding of findings) {
    const known = byRule.get(finding.rule);
    if (known === undefined) byRule.set(finding.rule, [finding]);
    else known.push(finding);
  }
  return [...byRule].map(([rule, found]) => {
    const told = found.slice(0, TOLD_MAX).map(({ offset, detail }) => `${detail} at ${offset}`);
    return [rule, `${found.length}: ${told.join("; ")}`.slice(0, TEXT_CHARS_MAX)];
  });
}
