/** Results that nobody wishes for: text that wants to break the output, and more than any output can take. */
import type { GateResult } from "../../src/core/gate.ts";
import {
  counted,
  grown,
  grownStatementResult,
  passResult,
  sloVerdict,
  windowsOf,
} from "./gate-results.ts";

/** Everything that users and their services name, written by somebody who wants to break the output. */
const HOSTILE =
  "x | y `tick` ``two`` @octocat <img src=x onerror=alert(1)> --> </details> &#64;team #12 [a](http://e.x) \u001b[31m\u202e\r\n::error::no";
export const SECRET = "hunter2";

export function hostileResult(): GateResult {
  const result = grownStatementResult();
  const text = `${HOSTILE} postgres://app:${SECRET}@db/app`;
  return {
    ...result,
    target: `t--> ${text}`,
    base: { label: text, commit: "41d0c3e" },
    reasons: [text, text],
    warnings: [text],
    design: text,
    counters: counted(
      [{ ...grown, endpoint: text, subject: `${text} ${"long ".repeat(100)}`, detail: text }],
      { verdict: "fail", detail: text, unmeasured: [text] },
    ),
    slos: [
      {
        ...sloVerdict("p95<30ms", { verdict: "fail", detail: text }),
        slo: { metric: "api.latencyP95Ms", limit: 30, text: `p95[${text}]<30ms` },
      },
    ],
    windows: windowsOf(1).map((window) => ({ ...window, valid: false, invalidBecause: [text] })),
  };
}

function many<T>(count: number, make: (index: number) => T): readonly T[] {
  return Array.from({ length: count }, (_, index) => make(index));
}

/** More than any output can take. */
export function hugeResult(): GateResult {
  return passResult({
    verdict: "fail",
    reasons: many(500, (index) => `reason ${index} ${"r".repeat(2_000)}`),
    warnings: many(500, (index) => `warning ${index} ${"w".repeat(2_000)}`),
    counters: counted(
      many(400, (index) => ({
        ...grown,
        endpoint: `GET /endpoint/${index}`,
        subject: `SELECT ${index}, ${"c, ".repeat(3_000)} d`,
      })),
      { verdict: "fail", detail: "400 counters grew" },
    ),
    windows: windowsOf(4_000),
  });
}
