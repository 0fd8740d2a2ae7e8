// What the threads can do: each task as plain data, and the functions that do it.

import { createHash, createPublicKey, verify } from "node:crypto";
import type { KeyObject } from "node:crypto";
import type { CheckedContent, DiffSummary, ScanFinding } from "./compute.ts";
import { diffContents } from "./diff.ts";
import { scanContent } from "./scan.ts";

type Signed = {
  readonly content: Uint8Array;
  readonly signature: Uint8Array;
  readonly publicKeyPem: string;
};

/** By name: what a task takes and what it yields. */
export type Tasks = {
  readonly digest: { readonly input: { readonly content: Uint8Array }; readonly result: string };
  readonly verify: { readonly input: Signed; readonly result: boolean };
  readonly check: { readonly input: Signed; readonly result: CheckedContent };
  readonly scan: {
    readonly input: { readonly content: Uint8Array };
    readonly result: readonly ScanFinding[];
  };
  readonly diff: {
    readonly input: { readonly before: Uint8Array; readonly after: Uint8Array };
    readonly result: DiffSummary;
  };
};

export type TaskName = keyof Tasks;

export const TASKS: {
  readonly [Name in TaskName]: (input: Tasks[Name]["input"]) => Tasks[Name]["result"];
} = {
  digest: ({ content }) => digestOf(content),
  verify: isSigned,
  check: (input) => ({ sha256: digestOf(input.content), signatureValid: isSigned(input) }),
  scan: ({ content }) => scanContent(content),
  diff: ({ before, after }) => diffContents(before, after),
};

export function digestOf(content: Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}

function isSigned({ content, signature, publicKeyPem }: Signed): boolean {
  const key = readPublicKey(publicKeyPem);
  return key !== undefined && verify(null, content, key, signature);
}

/** An Ed25519 key, or undefined if the text is none: with another key `verify` would mean another method. */
function readPublicKey(pem: string): KeyObject | undefined {
  try {
    const key = createPublicKey(pem);
    return key.asymmetricKeyType === "ed25519" ? key : undefined;
  } catch {
    return undefined;
  }
}
