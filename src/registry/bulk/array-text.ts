// Arrays as PostgreSQL's text: pg's own way takes several times as long, and batches send thousands of elements.

/** Of numbers and booleans. */
export function arrayText(values: readonly (number | boolean)[]): string {
  return `{${values.join(",")}}`;
}

/** Of texts; null is NULL. */
export function textArrayText(values: readonly (string | null)[]): string {
  let text = "{";
  for (const value of values) {
    if (text.length > 1) text += ",";
    text += value === null ? "NULL" : `"${escaped(value)}"`;
  }
  return `${text}}`;
}

const SPECIAL = /["\\]/;

function escaped(value: string): string {
  return SPECIAL.test(value) ? value.replace(/["\\]/g, "\\$&") : value;
}
