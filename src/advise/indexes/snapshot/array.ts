/** Arrays as PostgreSQL writes them (array_out): `{1,NULL,"a \"quoted\" text"}`. */

/** One element: in quotes, with escapes, or bare, where nothing is escaped. */
const ELEMENT = /"((?:[^"\\]|\\.)*)"|([^,"]*)/sy;

/** The elements of an array of one dimension as text; null for NULL. What is not one has no elements. */
export function arrayElements(text: string): readonly (string | null)[] {
  if (!text.startsWith("{") || !text.endsWith("}") || text === "{}") return [];
  const inner = text.slice(1, -1);
  const elements: (string | null)[] = [];
  for (let at = 0; at <= inner.length; at += 1) {
    ELEMENT.lastIndex = at;
    const [whole = "", quoted, bare] = ELEMENT.exec(inner) ?? [];
    if (quoted === undefined) elements.push(bare === "NULL" ? null : (bare ?? ""));
    else elements.push(quoted.includes("\\") ? quoted.replaceAll(/\\(.)/gs, "$1") : quoted);
    at += whole.length;
  }
  return elements;
}
