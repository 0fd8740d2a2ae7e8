/** Reads a snapshot's file: perfopt's own format, and the one before it. */
import { ZodError } from "zod";
import { messageOf, PerfoptError } from "../../../core/errors.ts";
import { readyToParse } from "./definitions.ts";
import { fromPrototype } from "./prototype.ts";
import { checkedSnapshot } from "./schema.ts";
import type { Snapshot } from "./snapshot.ts";

/** Well below what a text of JavaScript can hold; 500 wide tables take some 15 MB. */
const SNAPSHOT_BYTES_MAX = 400_000_000;

const FORMAT = "perfopt-snapshot/1";
const HINT = "make one with `perfopt snapshot > db.json`";
const PROBLEMS_MAX = 3;

/** `where` is the file's name, for messages. Throws PerfoptError bad-input that says what is wrong and where. */
export async function parseSnapshot(text: string, where: string): Promise<Snapshot> {
  if (text.length > SNAPSHOT_BYTES_MAX) throw tooLarge(where, text.length);
  const value = jsonOf(text, where);
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new PerfoptError("bad-input", `${where} is JSON, but no snapshot of a database`, HINT);
  }
  const format = "format" in value ? value.format : undefined;
  if (format !== undefined && format !== FORMAT) {
    throw new PerfoptError(
      "bad-input",
      `${where} is of the format ${JSON.stringify(format)}, and this perfopt reads ${FORMAT}`,
      `${HINT}, with the same version of perfopt`,
    );
  }
  if (format === undefined && !("attrstats" in value)) {
    throw new PerfoptError("bad-input", `${where} is JSON, but no snapshot of a database`, HINT);
  }
  try {
    if (format === FORMAT) return checkedSnapshot(value);
    await readyToParse();
    return fromPrototype(value);
  } catch (error) {
    throw new PerfoptError(
      "bad-input",
      `${where} is no whole snapshot: ${problemsOf(error)}`,
      `${HINT}; a snapshot is not meant to be edited by hand`,
      { cause: error },
    );
  }
}

function tooLarge(where: string, bytes: number): PerfoptError {
  return new PerfoptError(
    "bad-input",
    `${where} has ${Math.round(bytes / 1e6)} MB, and perfopt reads snapshots of up to ${SNAPSHOT_BYTES_MAX / 1e6} MB`,
    "take it again with `perfopt snapshot --redact all`, which leaves out the values that make it large",
  );
}

function jsonOf(text: string, where: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return value;
  } catch (cause) {
    const cut = text.trim() === "" ? "it is empty" : messageOf(cause);
    throw new PerfoptError(
      "bad-input",
      `${where} is not JSON: ${cut}`,
      `${HINT}; a file that was cut off has to be copied again`,
      { cause },
    );
  }
}

function problemsOf(error: unknown): string {
  if (!(error instanceof ZodError)) return messageOf(error);
  const problems = error.issues.map(({ path, message }) => `${path.join(".") || "it"}: ${message}`);
  const more = problems.length - PROBLEMS_MAX;
  return `${problems.slice(0, PROBLEMS_MAX).join("; ")}${more > 0 ? `; and ${more} more` : ""}`;
}
