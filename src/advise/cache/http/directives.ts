/** Cache-Control as its directives (RFC 9111, section 5.2). */

export interface Directives {
  readonly has: (name: string) => boolean;
  /** Undefined when it is absent; `invalid` when it is no whole number of seconds, which caches take for expired. */
  readonly seconds: (name: string) => number | "invalid" | undefined;
  /** Given twice, with different values. */
  readonly disputed: readonly string[];
  readonly empty: boolean;
}

const DIRECTIVE = /([^\s=,;"]+)(?:\s*=\s*(?:"([^"]*)"|([^\s,"]*)))?/g;
/** "If a cache receives a delta-seconds value greater than the greatest integer it can represent", RFC 9111, section 1.2.2. */
const SECONDS_MAX = 2 ** 31;

export function readDirectives(text: string | undefined): Directives {
  const values = new Map<string, string>();
  const disputed = new Set<string>();
  for (const [, name = "", quoted, plain] of (text ?? "").toLowerCase().matchAll(DIRECTIVE)) {
    const value = quoted ?? plain ?? "";
    // The first counts (RFC 9111, section 4.2.1).
    if (!values.has(name)) values.set(name, value);
    else if (values.get(name) !== value) disputed.add(name);
  }
  return {
    has: (name) => values.has(name),
    seconds: (name) => {
      const value = values.get(name);
      if (value === undefined) return undefined;
      return /^\d+$/.test(value) ? Math.min(Number(value), SECONDS_MAX) : "invalid";
    },
    disputed: [...disputed],
    empty: values.size === 0,
  };
}

/** Names in a Vary header, in lower case. */
export function readVary(text: string | undefined): ReadonlySet<string> {
  const names = (text ?? "").toLowerCase().split(",");
  return new Set(names.map((name) => name.trim()).filter((name) => name !== ""));
}
