/** Advice whose every number or every text of others is something else: for tests of what must never be printed. */
import type { CacheAdvice } from "../../../src/core/cache-advice.ts";

export const HOSTILE =
  "x | y `tick` ``two`` @octocat <img src=x onerror=alert(1)> --> </details> #12 [a](http://e.x) \u001b[31m\u202e\r\n::error::no redis://app:hunter2@cache/0";

export function everyNumber(advice: CacheAdvice, number: number): CacheAdvice {
  return JSON.parse(JSON.stringify(advice), (_, value: unknown) =>
    typeof value === "number" ? number : value,
  );
}

/** What is one of a few words, such as a policy, is not a text of others. */
const WORDS = new Set(["format", "verdict", "policy", "kind", "method", "edge", "browser"]);

export function everyText(advice: CacheAdvice, text: string): CacheAdvice {
  return JSON.parse(JSON.stringify(advice), (key, value: unknown) =>
    typeof value === "string" && !WORDS.has(key) ? text : value,
  );
}
