/** SVG as text: escaped elements, finite coordinates, and the look that all charts share in light and dark mode. */

import { redactSecrets } from "../../core/errors.ts";

export type Attributes = Readonly<Record<string, string | number | undefined>>;

/** Okabe and Ito's palette, distinguishable with every common colour blindness; markers differ in shape as well. */
export const colours = {
  background: "#ffffff",
  text: "#1f2328",
  faint: "#59636e",
  grid: "#d8dee4",
  band: "#f3f5f8",
  incumbent: "#0072b2",
  candidate: "#d55e00",
  kept: "#007a5e",
} as const;

/** Of the same palette, darkened where a thin line would fade on white. */
export const seriesColours = ["#d55e00", "#0072b2", "#007a5e", "#9b4a7c", "#8a6a00"] as const;

export type MarkerShape = "circle" | "diamond" | "cross";

export function element(
  name: string,
  attributes: Attributes,
  ...children: readonly string[]
): string {
  const written = Object.entries(attributes)
    .filter(([, value]) => value !== undefined)
    .map(
      ([key, value]) =>
        ` ${key}="${typeof value === "number" ? coordinate(value) : escapeXml(String(value))}"`,
    )
    .join("");
  return children.length === 0
    ? `<${name}${written}/>`
    : `<${name}${written}>${children.join("")}</${name}>`;
}

export function label(x: number, y: number, content: string, attributes: Attributes = {}): string {
  return element(
    "text",
    { x, y, fill: colours.text, "font-size": 13, ...attributes },
    escapeXml(content),
  );
}

export function line(
  from: readonly [number, number],
  to: readonly [number, number],
  attributes: Attributes,
): string {
  return element("line", { x1: from[0], y1: from[1], x2: to[0], y2: to[1], ...attributes });
}

/** `hollow`: a single window, or one that says less than the others. */
export function marker(
  shape: MarkerShape,
  [x, y]: readonly [number, number],
  colour: string,
  hollow = false,
): string {
  const paint = { fill: hollow ? colours.background : colour, stroke: colour, "stroke-width": 1.6 };
  switch (shape) {
    case "circle":
      return element("circle", { cx: x, cy: y, r: 4.5, ...paint });
    case "diamond":
      return element("path", {
        d: path(
          [
            [x, y - 6],
            [x + 6, y],
            [x, y + 6],
            [x - 6, y],
          ],
          true,
        ),
        ...paint,
      });
    case "cross":
      return element("path", {
        d: `${path([
          [x - 4, y - 4],
          [x + 4, y + 4],
        ])}${path([
          [x - 4, y + 4],
          [x + 4, y - 4],
        ])}`,
        ...paint,
        fill: "none",
      });
  }
}

export function path(points: readonly (readonly [number, number])[], closed = false): string {
  const steps = points.map(
    ([x, y], index) => `${index === 0 ? "M" : "L"}${coordinate(x)} ${coordinate(y)}`,
  );
  return steps.join("") + (closed ? "Z" : "");
}

/** Rough width of a text in pixels: a sans-serif letter is a little over half as wide as its size. */
export function textWidth(content: string, size: number): number {
  return content.length * size * 0.54;
}

/** Lines that fit a width; a word longer than that is cut. */
export function wrap(content: string, width: number, size: number): readonly string[] {
  const lines: string[] = [];
  let current = "";
  // Secrets go before anything is cut, for half a URL no longer looks like one.
  for (const word of redactSecrets(content).split(/\s+/)) {
    const longer = current === "" ? word : `${current} ${word}`;
    if (textWidth(longer, size) <= width) {
      current = longer;
      continue;
    }
    if (current !== "") lines.push(current);
    current = shorten(word, width, size);
  }
  return current === "" ? lines : [...lines, current];
}

export function shorten(content: string, width: number, size: number): string {
  const letters = Math.max(1, Math.floor(width / (size * 0.54)));
  const safe = redactSecrets(content);
  return safe.length <= letters ? safe : `${safe.slice(0, Math.max(1, letters - 1))}…`;
}

function coordinate(value: number): string {
  if (!Number.isFinite(value))
    throw new Error(`a chart got a coordinate that is not finite: ${value}`);
  return String(Math.round(value * 100) / 100);
}

function escapeXml(text: string): string {
  // XML has no way to write the other control characters.
  return Array.from(text)
    .filter((character) => character >= " " || character === "\t" || character === "\n")
    .join("")
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}
