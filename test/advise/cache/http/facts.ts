// Facts of answers and traces made by hand.
import type {
  ConditionalFacts,
  ResponseFacts,
  ResponseVariant,
  TraceEntry,
  ValidatorProbe,
} from "../../../../src/core/sample.ts";

const NONE: ConditionalFacts = { sent: 0, notModified: 0, ignored: 0, changed: 0 };

/** An answer of status 200 with a strong ETag and nothing else. */
export function variant(overrides: Partial<ResponseVariant> = {}): ResponseVariant {
  return {
    count: 100,
    status: 200,
    etag: "strong",
    lastModified: false,
    age: false,
    setCookie: false,
    ...overrides,
  };
}

export function facts(
  overrides: Partial<ResponseFacts> = {},
  ...variants: readonly Partial<ResponseVariant>[]
): ResponseFacts {
  return {
    endpoint: "item",
    method: "GET",
    samples: 100,
    others: 0,
    sent: { authorization: 0, cookie: 0, acceptEncoding: 0 },
    validators: { steady: 0, unstable: 0, wrong: 0, loose: 0, changed: 0 },
    ...overrides,
    variants: overrides.variants ?? (variants.length === 0 ? [{}] : variants).map(variant),
  };
}

/** Of an endpoint that honours its ETag, and does not compress. */
export function probe(
  overrides: Partial<Omit<ValidatorProbe, "gzip">> = {},
  gzip: Partial<ValidatorProbe["gzip"]> = {},
): ValidatorProbe {
  return {
    endpoint: "item",
    urls: 3,
    answered: 3,
    etag: { sent: 3, notModified: 3, ignored: 0, changed: 0 },
    modified: NONE,
    gzip: {
      answered: 3,
      compressed: 0,
      withoutVary: 0,
      sameStrongEtag: 0,
      etag: NONE,
      plainBytes: 100,
      gzipBytes: 100,
      ...gzip,
    },
    ...overrides,
  };
}

/** GETs of `item` with status 200, each given as [when, which URL, which body]. */
export function gets(
  rows: readonly (readonly [atMs: number, key: number, body: number])[],
  overrides: Partial<TraceEntry> = {},
): TraceEntry[] {
  return rows.map(([atMs, key, body]) => ({
    atMs,
    endpoint: "item",
    method: "GET",
    key,
    responseBytes: 1_000,
    status: 200,
    body,
    ...overrides,
  }));
}
