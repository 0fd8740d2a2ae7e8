// Request fields that several endpoints share, with MLflow's limits.

import { list, record, text, whole } from "./shape.ts";
import type { Shaped } from "./shape.ts";

const KEY_CHARS_MAX = 250;
const TEXT_CHARS_MAX = 8_000;
const TAGS_MAX = 100;
export const STAGE_NAMES = ["None", "Staging", "Production", "Archived"] as const;
export type Stage = (typeof STAGE_NAMES)[number];

export const name = text(256);
export const longText = text(TEXT_CHARS_MAX, 0);
export const key = text(KEY_CHARS_MAX);
const tag = record({ key, value: longText });
export type Tag = Shaped<typeof tag>;
export const tags = list(tag, TAGS_MAX);
/** Queries and bodies write versions as text ("12"). */
export const version = whole(1, 2_147_483_647);
export const runId = text(64);
export const experimentId = whole(0);
export const timestampMs = whole(0);

/** The parameters every search takes beside its own. */
export const searchFields = {
  filter: text(10_000, 0),
  order_by: list(text(500), 10),
  page_token: text(200, 0),
};

/** MLflow writes stages with a capital, and reads them in any case. */
export function findStage(text: string): Stage | undefined {
  return STAGE_NAMES.find((stage) => stage.toLowerCase() === text.toLowerCase());
}

/** Keys in order: two transactions that write the same rows in one order cannot wait for each other in a circle. */
function sortedByKey<T extends { readonly key: string }>(items: Iterable<T>): T[] {
  return [...items].toSorted((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
}

/** The last of each key, in key order: one INSERT may not touch a row twice. */
export function lastOfEachKey<T extends { readonly key: string }>(items: readonly T[]): T[] {
  return sortedByKey(new Map(items.map((item) => [item.key, item])).values());
}

/** Leaves out what is null, as MLflow does. */
export function withoutNulls(row: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(row).filter(([, value]) => value !== null));
}
