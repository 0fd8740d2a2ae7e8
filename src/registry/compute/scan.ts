// Looks through an artifact for what would run code when loaded (imports of pickles) and for secrets left in it.

import type { ScanFinding } from "./compute.ts";
import { isDangerous } from "./dangerous.ts";
import { pickleImports } from "./pickle.ts";
import { isZip, zipEntries } from "./zip.ts";

// Of each rule, so that findings of one cannot crowd out those of another.
const RULE_FINDINGS_MAX = 100;
const DETAIL_CHARS_MAX = 500;
const NAME_CHARS_MAX = 200;

/** Forms that the issuers document: a prefix of their own and a fixed alphabet, so that weights do not match by chance. */
const SECRETS = [
  { rule: "private-key", what: "private key", form: "-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----" },
  { rule: "access-token", what: "AWS access key", form: "\\b(?:AKIA|ASIA)[A-Z2-7]{16}\\b" },
  { rule: "access-token", what: "GitHub token", form: "\\bgh[pousr]_[A-Za-z0-9]{36}\\b" },
  {
    rule: "access-token",
    what: "GitHub token",
    form: "\\bgithub_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}\\b",
  },
  { rule: "access-token", what: "Hugging Face token", form: "\\bhf_[A-Za-z0-9]{34}\\b" },
  { rule: "access-token", what: "npm token", form: "\\bnpm_[A-Za-z0-9]{36}\\b" },
  { rule: "access-token", what: "Slack token", form: "\\bxox[abprs]-[0-9]{8,}-[A-Za-z0-9-]{16,}" },
  { rule: "access-token", what: "Google API key", form: "\\bAIza[A-Za-z0-9_-]{35}" },
] as const;
const SECRET = new RegExp(SECRETS.map(({ form }) => `(${form})`).join("|"), "g");

/** At most 100 findings of each rule, those of pickles first. Never holds a secret itself. */
export function scanContent(content: Uint8Array): ScanFinding[] {
  const findings: ScanFinding[] = [];
  const counts = new Map<string, number>();
  for (const finding of findingsOf(content)) {
    const count = counts.get(finding.rule) ?? 0;
    counts.set(finding.rule, count + 1);
    if (count < RULE_FINDINGS_MAX)
      findings.push({ ...finding, detail: printable(finding.detail).slice(0, DETAIL_CHARS_MAX) });
  }
  return findings;
}

/** Control characters and the invisible ones that turn text round, as escapes: names in an artifact are its author's choice. */
function printable(text: string): string {
  return text.replaceAll(
    /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu,
    (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`,
  );
}

function* findingsOf(content: Uint8Array): Generator<ScanFinding> {
  yield* importsOf(content);
  yield* secretsOf(content);
}

function* importsOf(content: Uint8Array): Generator<ScanFinding> {
  if (!isZip(content)) {
    yield* dangerousImports(content);
    return;
  }
  // Within an entry that was deflated there is no place in the archive to point at but the entry's own.
  for (const entry of zipEntries(content)) {
    const { offset } = entry;
    const name = entry.name.slice(0, NAME_CHARS_MAX);
    if ("unread" in entry) {
      yield { rule: "unscanned", offset, detail: `${name}: ${entry.unread}` };
      continue;
    }
    for (const { rule, detail } of dangerousImports(entry.content))
      yield { rule, offset, detail: `${name}: ${detail}` };
  }
}

function* dangerousImports(content: Uint8Array): Generator<ScanFinding> {
  for (const found of pickleImports(content)) {
    const { offset } = found;
    if ("unread" in found) {
      yield { rule: "unscanned", offset, detail: found.unread };
      continue;
    }
    const { module, name } = found;
    if (isDangerous(module, name))
      yield { rule: "pickle-import", offset, detail: `${module}.${name}` };
  }
}

function* secretsOf({ buffer, byteOffset, byteLength }: Uint8Array): Generator<ScanFinding> {
  // One character for each byte, so that places in the text are places in the content.
  const text = Buffer.from(buffer, byteOffset, byteLength).toString("latin1");
  for (const match of text.matchAll(SECRET)) {
    const secret = SECRETS[match.slice(1).findIndex((group) => group !== undefined)];
    if (secret !== undefined) yield { rule: secret.rule, offset: match.index, detail: secret.what };
  }
}
