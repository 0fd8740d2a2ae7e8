/** The schema of sessions: requests that follow each other, what they take from answers, and the pauses between them. */
import { z } from "zod";
import type { Capture, SessionStep, SessionTemplate } from "../core/workload.ts";
import * as field from "./fields.ts";
import { noBodyInGet, parts, toTemplate } from "./request-schema.ts";
import { think } from "./think-schema.ts";

export type SessionInput = z.output<ReturnType<typeof session>>;

export function session() {
  return z.strictObject({
    name: field.name().describe("The session's name."),
    weight: z
      .number()
      .positive()
      .default(1)
      .describe("How often it begins, relative to the others; 1 by default."),
    steps: z
      .array(step())
      .min(1)
      .describe("Its requests, one after another. One that fails ends the session."),
  });
}

export function toSession({ name, weight, steps }: SessionInput): SessionTemplate {
  return {
    name,
    weight,
    steps: steps.map(({ repeat, capture, think, ...request }): SessionStep => ({
      request: toTemplate(request, 1),
      repeat,
      captures: capture,
      ...(think && { think }),
    })),
  };
}

const REPEAT_MAX = 10_000;

function step() {
  return z
    .strictObject({
      ...parts(),
      repeat: z
        .int()
        .min(1)
        .max(REPEAT_MAX)
        .default(1)
        .describe(
          "How often it is sent in a row; what no other step names is drawn anew each time.",
        ),
      think: think()
        .exactOptional()
        .describe(
          "The pause before each of its requests: 2s, { uniform: [1s, 3s] } or { exponential: 2s }, which is the mean.",
        ),
      capture: z
        .record(field.key(), capture())
        .default({})
        .transform((byName): readonly Capture[] =>
          Object.entries(byName).map(([name, from]) => ({ name, from })),
        )
        .describe(
          "What later steps use as ${name}: where it stands in the JSON answer, such as run.info.run_id or items[0].id, or { header: x-token }.",
        ),
    })
    .superRefine(noBodyInGet);
}

const JSON_PATH = /^(?:[^.[\]\s]+|\[\d+\])(?:\.[^.[\]\s]+|\[\d+\])*$/;

const CAPTURE_EXPECTED =
  "expected a place in the JSON answer such as run.info.run_id or items[0].id, or { header: x-token }";

function capture() {
  return z
    .union(
      [
        z.string().regex(JSON_PATH, { error: CAPTURE_EXPECTED }),
        z.strictObject({ header: field.headerName() }),
      ],
      { error: CAPTURE_EXPECTED },
    )
    .transform((from): Capture["from"] =>
      typeof from === "string"
        ? { kind: "json", path: keysOf(from) }
        : { kind: "header", header: from.header.toLowerCase() },
    );
}

/** `items[0].id` as keys and positions. */
function keysOf(path: string): (string | number)[] {
  return [...path.matchAll(/\[(\d+)\]|[^.[\]]+/g)].map(([key, position]) =>
    position === undefined ? key : Number(position),
  );
}
