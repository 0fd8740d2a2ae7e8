/** Type names as format_type writes them. */
import type { SnapshotType } from "./snapshot.ts";

/** Types that the user made, by their written name. */
export type TypeNames = ReadonlyMap<string, SnapshotType>;

/** Without modifiers: `character varying(152)[]` is `character varying[]`. Names in quotes are left alone. */
export function withoutModifiers(type: string): string {
  return type
    .split(/("(?:[^"]|"")*")/)
    .map((piece) => (piece.startsWith('"') ? piece : piece.replaceAll(/\([^()]*\)/g, "")))
    .join("")
    .replace(/^interval .*?(\[\])?$/, "interval$1");
}

/** What values are made of: a domain's base, an array's element. */
export function baseType(type: string, types: TypeNames): string {
  const element = withoutModifiers(type).replace(/(?:\[\])+$/, "");
  const own = types.get(element);
  return own?.kind === "domain" ? baseType(own.base, types) : element;
}

/** Types of pg_catalog without B-tree operators of their own. */
const WITHOUT_ORDER: ReadonlySet<string> = new Set([
  "json",
  "xml",
  "point",
  "line",
  "lseg",
  "box",
  "path",
  "polygon",
  "circle",
  "aclitem",
  "xid",
  "cid",
  "pg_snapshot",
  "txid_snapshot",
  "jsonpath",
  "refcursor",
]);

/** By its name alone, for snapshots that do not say: what is of an extension is not known to have one. */
export function hasOrder(type: string, types: TypeNames): boolean {
  const base = baseType(type, types);
  const own = types.get(base);
  if (own) return own.kind === "enum";
  return !base.includes(".") && !WITHOUT_ORDER.has(base);
}
