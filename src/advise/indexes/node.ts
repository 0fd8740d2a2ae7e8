/** Nodes of the parser's tree, found in what is not typed. */
import type { Node } from "libpg-query";

type Kind<K extends string> = Extract<Node, Record<K, unknown>>;

/** A node is an object whose only key is its kind, with a capital; fields inside one are in small letters. */
export function isNode(value: unknown): value is Node {
  if (typeof value !== "object" || value === null) return false;
  const [kind, ...others] = Object.keys(value);
  return kind !== undefined && others.length === 0 && /^[A-Z]/.test(kind);
}

/** Every node of a kind inside a value, the outermost only, not looking into subqueries. */
export function outermost<K extends "FuncCall" | "ColumnRef" | "SubLink">(
  value: unknown,
  kind: K,
): readonly Kind<K>[] {
  if (Array.isArray(value)) return value.flatMap((each) => outermost(each, kind));
  if (typeof value !== "object" || value === null) return [];
  if (hasKind(value, kind)) return [value];
  if ("SubLink" in value) return [];
  return Object.values(value).flatMap((each) => outermost(each, kind));
}

function hasKind<K extends string>(value: object, kind: K): value is Kind<K> {
  return kind in value;
}
