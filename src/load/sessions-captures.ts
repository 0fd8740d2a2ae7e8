/** Takes from an answer what later steps of its session need. */
import type { Capture, Scalar } from "../core/workload.ts";
import type { Answer } from "./flights.ts";

export interface CaptureReader {
  readonly needsBody: boolean;
  /** Writes into `captured`, at the captures' positions. False when one of them finds nothing, and then nothing is written. */
  readonly read: (answer: Answer, captured: Scalar[]) => boolean;
}

/** `positions`: where each name's value belongs. Only text, numbers and booleans are found: nothing else can stand in a path. */
export function captureReader(
  captures: readonly Capture[],
  positions: ReadonlyMap<string, number>,
): CaptureReader {
  const needsBody = captures.some(({ from }) => from.kind === "json");
  return {
    needsBody,
    read: (answer, captured) => {
      if (captures.length === 0) return true;
      const body = needsBody ? parsed(answer.body ?? "") : undefined;
      const found = captures.map(({ from }) =>
        from.kind === "json" ? scalarAt(body, from.path) : headerOf(answer, from.header),
      );
      if (found.includes(undefined)) return false;
      for (const [index, { name }] of captures.entries()) {
        captured[positions.get(name) ?? 0] = found[index] ?? null;
      }
      return true;
    },
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function scalarAt(
  body: unknown,
  path: readonly (string | number)[],
): string | number | boolean | undefined {
  let value = body;
  for (const key of path) {
    if (!isKeyed(value) || !Object.hasOwn(value, key)) return undefined;
    value = value[key];
  }
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean"
    ? value
    : undefined;
}

function isKeyed(value: unknown): value is Readonly<Record<string | number, unknown>> {
  return typeof value === "object" && value !== null;
}

function headerOf({ headers }: Answer, name: string): string | undefined {
  const value = headers[name.toLowerCase()];
  return typeof value === "string" ? value : value?.[0];
}
