// What the cache keeps: a serialised answer, or that there is none.

import { RegistryError } from "../errors.ts";
import { digest } from "./keys.ts";

export type Answer = {
  /** JSON; of an absence the message of its error. */
  readonly body: string;
  /** The entity tag of the body, quotes included, if the service answers with one. */
  readonly etag?: string;
  /** What was asked for does not exist. */
  readonly absent?: true;
};

export function taggedAnswer(body: string): Answer {
  return { body, etag: `"${digest(body)}"` };
}

/** The absence that a failed read tells of; undefined for every other failure. */
export function toAbsence(error: unknown): Answer | undefined {
  if (!(error instanceof RegistryError) || error.code !== "RESOURCE_DOES_NOT_EXIST")
    return undefined;
  return { body: error.message, absent: true };
}

/** The answer itself; throws the error that an absence stands for. */
export function presentAnswer(answer: Answer): Answer {
  if (answer.absent) throw new RegistryError("RESOURCE_DOES_NOT_EXIST", answer.body);
  return answer;
}

const ABSENT = "absent";

/** The stamp and what the body is on the first line, the body after it. */
export function packAnswer(stamp: string, { body, etag = "", absent }: Answer): string {
  return `${stamp} ${absent ? ABSENT : etag}\n${body}`;
}

/** Undefined if it was stored under another stamp. */
export function unpackAnswer(text: string, stamp: string): Answer | undefined {
  if (!text.startsWith(`${stamp} `)) return undefined;
  const end = text.indexOf("\n", stamp.length);
  const kind = text.slice(stamp.length + 1, end);
  const body = text.slice(end + 1);
  if (kind === ABSENT) return { body, absent: true };
  return kind === "" ? { body } : { body, etag: kind };
}
