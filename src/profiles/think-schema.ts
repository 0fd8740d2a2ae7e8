/** The pause of a person between two requests, as sessions and capacity blocks write it. */
import { z } from "zod";
import type { ThinkTime } from "../core/workload.ts";
import * as field from "./fields.ts";

export function think() {
  return z
    .union(
      [
        field.duration(),
        z.strictObject({ uniform: z.tuple([field.duration(), field.duration()]) }),
        z.strictObject({ exponential: field.duration() }),
      ],
      {
        error:
          "expected a pause such as 2s, { uniform: [1s, 3s] } or { exponential: 2s }, where 2s is the mean",
      },
    )
    .transform((input, context): ThinkTime => {
      if (typeof input === "number") return { kind: "fixed", ms: input };
      if ("exponential" in input) return { kind: "exponential", meanMs: input.exponential };
      const [minMs, maxMs] = input.uniform;
      if (minMs > maxMs) {
        const message = "expected the shorter pause first, the longer one second";
        context.addIssue({ code: "custom", path: ["uniform"], message });
      }
      return { kind: "uniform", minMs, maxMs };
    });
}
