// MLflow's page tokens: base64 of {"offset": n}.

import { invalidParameter } from "./errors.ts";

/** The offset a token stands for; 0 without one. Throws INVALID_PARAMETER_VALUE for a token this service did not make. */
export function readPageToken(token: string | undefined): number {
  if (token === undefined || token === "") return 0;
  const offset = parseOffset(Buffer.from(token, "base64").toString("utf8"));
  if (offset === undefined) {
    throw invalidParameter(
      "Invalid value for parameter 'page_token': it is not a token of an earlier answer.",
    );
  }
  return offset;
}

/** Splits off the one row too many that tells of a next page. */
export function cutPage<Row>(
  rows: readonly Row[],
  offset: number,
  limit: number,
): { rows: readonly Row[]; next_page_token?: string } {
  if (rows.length <= limit) return { rows };
  return { rows: rows.slice(0, limit), next_page_token: pageToken(offset + limit) };
}

function pageToken(offset: number): string {
  return Buffer.from(JSON.stringify({ offset })).toString("base64");
}

function parseOffset(json: string): number | undefined {
  try {
    const value: unknown = JSON.parse(json);
    if (typeof value !== "object" || value === null || !("offset" in value)) return undefined;
    const { offset } = value;
    return typeof offset === "number" && Number.isSafeInteger(offset) && offset >= 0
      ? offset
      : undefined;
  } catch {
    return undefined;
  }
}
