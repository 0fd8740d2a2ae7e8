import { describe, expect, test } from "vitest";
import { auditResponses } from "../../../../src/advise/cache/http/audit.ts";
import type { HttpEndpoint } from "../../../../src/core/cache-advice.ts";
import type {
  ResponseFacts,
  ResponseVariant,
  TraceEntry,
  ValidatorProbe,
} from "../../../../src/core/sample.ts";
import { facts, gets, probe } from "./facts.ts";

/** 100 requests of ten URLs, whose answers never change. */
const steady = gets(Array.from({ length: 100 }, (_, i) => [i * 100, i % 10, i % 10] as const));
/** Nothing is wrong with it. */
const GOOD: Partial<ResponseVariant> = { cacheControl: "public, max-age=60" };

function endpointOf(
  responses: ResponseFacts,
  probes: readonly ValidatorProbe[] = [],
  trace: readonly TraceEntry[] = steady,
): HttpEndpoint {
  const [endpoint] = auditResponses([responses], trace, probes).endpoints;
  if (!endpoint) throw new Error("no endpoint");
  return endpoint;
}

/** Its findings as `kind: detail -> remedy`. */
function findingsOf(...args: Parameters<typeof endpointOf>): readonly string[] {
  return endpointOf(...args).findings.map(
    ({ kind, detail, remedy }) => `${kind}: ${detail} -> ${remedy}`,
  );
}

function sent(headers: Partial<ResponseFacts["sent"]>): Partial<ResponseFacts> {
  return { sent: { authorization: 0, cookie: 0, acceptEncoding: 0, ...headers } };
}

test("what is as it should be has no findings, and says what happens with it", () => {
  expect(endpointOf(facts({}, GOOD), [probe()])).toEqual({
    name: "item",
    method: "GET",
    requests: 100,
    bytesMean: 1_000,
    edge: "stored",
    browser: "stored",
    because: "max-age keeps it for 1 min",
    unchangedShare: 1,
    findings: [],
  });
});

describe("Cache-Control", () => {
  test("missing, with what the repeated requests showed", () => {
    const [finding, ...others] = findingsOf(facts());
    expect(others).toEqual([]);
    expect(finding).toMatch(/^no-cache-control: .*public, max-age=N.*\(100 % of the requests/);
    const changing = gets(steady.map(({ atMs, key }, index) => [atMs, key, index] as const));
    expect(findingsOf(facts(), [], changing)[0]).toContain("(0 % of the requests");
    // Nothing repeated: nothing is said about it.
    expect(findingsOf(facts(), [], steady.slice(0, 5))[0]).not.toContain("%");
    expect(findingsOf(facts(sent({ cookie: 100 })))[0]).toContain("private, max-age=N");
  });

  test("missing beside Last-Modified is a guess of the cache's", () => {
    const guessed = facts({ sinceModifiedSecondsMin: 36_000 }, { lastModified: true });
    const [finding] = findingsOf(guessed);
    expect(finding).toMatch(/^heuristic: .*usually a tenth of its age, here from 1 h on/);
    const audit = auditResponses([guessed], steady);
    expect(audit.endpoints[0]).toMatchObject({ edge: "stored" });
    expect(audit.edgeHitRateNow).toBe(0);
    expect(audit.words.join()).toContain("as long as a cache guesses");
  });

  test.each<[string, Partial<ResponseVariant>, string]>([
    ["no-store and an age", { cacheControl: "no-store, max-age=60" }, "no-store wins"],
    ["no-store and public", { cacheControl: "public, no-store" }, "no-store wins"],
    ["no-cache and an age", { cacheControl: "no-cache, max-age=60" }, "no-cache wins"],
    ["private and s-maxage", { cacheControl: "private, s-maxage=60, max-age=5" }, "s-maxage"],
    ["private and public", { cacheControl: "private, public, max-age=5" }, "public is meant"],
    ["no number", { cacheControl: "max-age=1h" }, "no whole number of seconds"],
    ["an age twice", { cacheControl: "max-age=1, max-age=2" }, "twice"],
    ["Expires", { cacheControl: "max-age=60", expiresSeconds: 3_600 }, "obey max-age"],
    ["Expires: 0", { cacheControl: "max-age=60", expiresSeconds: "invalid" }, "at once"],
    ["Pragma", { cacheControl: "max-age=60", pragma: "no-cache" }, "Pragma means nothing"],
  ])("contradicts itself: %s", (_, of, words) => {
    const found = findingsOf(facts({}, of)).filter((each) => each.startsWith("contradiction:"));
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(words);
  });

  test.each<[string, Partial<ResponseVariant>]>([
    ["no-store alone", { cacheControl: "no-store" }],
    ["no-store, no-cache, max-age=0", { cacheControl: "no-store, no-cache, max-age=0" }],
    ["no-cache, max-age=0", { cacheControl: "no-cache, max-age=0" }],
    ["Expires as max-age, rounded", { cacheControl: "max-age=3599", expiresSeconds: 3_600 }],
    ["must-understand", { cacheControl: "no-store, must-understand, max-age=9" }],
    ["Pragma with no-cache", { cacheControl: "no-cache", pragma: "no-cache" }],
  ])("does not: %s", (_, of) => {
    expect(findingsOf(facts({}, of)).filter((each) => !each.startsWith("no-"))).toEqual([]);
  });
});

describe("who may have it", () => {
  test("a cookie is set on what shared caches may keep", () => {
    expect(findingsOf(facts({}, { ...GOOD, setCookie: true }))).toMatchObject([
      expect.stringMatching(/^cookie: .*-> set the cookie where it is needed/),
    ]);
    expect(findingsOf(facts({}, { cacheControl: "private, max-age=5", setCookie: true }))).toEqual(
      [],
    );
  });

  test.each([
    ["*", "nothing is ever reused"],
    ["cookie", "Vary: Cookie keeps one copy"],
    ["origin, authorization", "Vary: Authorization keeps one copy"],
    ["user-agent", "one copy for each version of each browser"],
  ])("Vary: %s", (vary, words) => {
    const found = findingsOf(facts({}, { ...GOOD, vary }));
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(/^vary: /);
    expect(found[0]).toContain(words);
  });

  test("Vary that is right, or does not matter", () => {
    expect(findingsOf(facts({}, { ...GOOD, vary: "accept-encoding, accept" }))).toEqual([]);
    expect(findingsOf(facts({}, { cacheControl: "private, max-age=5", vary: "cookie" }))).toEqual(
      [],
    );
  });

  test("Authorization without a word that allows it, and with one that may allow too much", () => {
    const asked = sent({ authorization: 100 });
    expect(findingsOf(facts(asked, { cacheControl: "max-age=60" }))).toMatchObject([
      expect.stringMatching(/^private-data: .*only with public, s-maxage or must-revalidate/),
    ]);
    expect(findingsOf(facts(asked, { cacheControl: "private, max-age=60" }))).toEqual([]);
    expect(findingsOf(facts(asked, GOOD))).toMatchObject([
      expect.stringMatching(/^private-data: .*carry Authorization, .*does not show -> check/),
    ]);
    expect(findingsOf(facts(asked, { cacheControl: "public, no-cache" }))).toEqual([]);
    expect(findingsOf(facts(sent({ cookie: 1 }), GOOD))[0]).toContain("carry a cookie");
  });
});

function following(validators: Partial<ResponseFacts["validators"]>): readonly string[] {
  const all = { ...facts().validators, steady: 90, ...validators };
  return findingsOf(facts({ validators: all }, GOOD));
}

describe("validators", () => {
  const bare: Partial<ResponseVariant> = { ...GOOD, etag: "none" };

  test("missing, where the answer may be kept at all", () => {
    expect(findingsOf(facts({}, bare))).toMatchObject([
      expect.stringMatching(/^no-validator: .*1,?000 B on average/),
    ]);
    expect(findingsOf(facts({}, { ...bare, lastModified: true }))).toEqual([]);
    expect(findingsOf(facts({}, { cacheControl: "no-store", etag: "none" }))).toEqual([]);
  });

  test("ignored: seen by probes, by the workload's own clients, and not made up", () => {
    const ignoring = { sent: 3, notModified: 0, ignored: 3, changed: 0 };
    expect(findingsOf(facts({}, GOOD), [probe({ etag: ignoring })])).toMatchObject([
      expect.stringMatching(/^validator-ignored: 3 of 3 requests/),
    ]);
    expect(findingsOf(facts({ conditional: ignoring }, GOOD))).toHaveLength(1);
    // Its answers changed in between: that shows nothing.
    const changing = { sent: 3, notModified: 0, ignored: 0, changed: 3 };
    expect(findingsOf(facts({}, GOOD), [probe({ etag: changing })])).toEqual([]);
    const once = { sent: 99, notModified: 98, ignored: 1, changed: 0 };
    expect(findingsOf(facts({ conditional: once }, GOOD))).toEqual([]);
  });

  test("of compressed answers: ignored, or the same for other bytes", () => {
    const gzip = { compressed: 3, plainBytes: 9_000, gzipBytes: 900 };
    const ignoring = { sent: 3, notModified: 0, ignored: 3, changed: 0 };
    expect(findingsOf(facts({}, GOOD), [probe({}, { ...gzip, etag: ignoring })])).toMatchObject([
      expect.stringMatching(/^validator-ignored: .*compressed ones/),
    ]);
    expect(findingsOf(facts({}, GOOD), [probe({}, { ...gzip, sameStrongEtag: 3 })])).toMatchObject([
      expect.stringMatching(/^unstable-validator: 3 of 3 compressed answers/),
    ]);
    expect(findingsOf(facts({}, GOOD), [probe({}, { ...gzip, withoutVary: 2 })])).toMatchObject([
      expect.stringMatching(/^vary: 2 of 3 compressed answers/),
    ]);
  });

  test("that do not follow the body", () => {
    expect(following({})).toEqual([]);
    expect(following({ changed: 10, loose: 10 })).toEqual([]);
    expect(following({ unstable: 1 })).toEqual([]);
    expect(following({ unstable: 10 })).toMatchObject([
      expect.stringMatching(/^unstable-validator: 10 of 100 .*had another ETag/),
    ]);
    expect(following({ wrong: 1 })).toMatchObject([
      expect.stringMatching(/^unstable-validator: 1 repeated .*same strong ETag/),
    ]);
  });
});

describe("bodies", () => {
  const json: Partial<ResponseVariant> = { ...GOOD, contentType: "application/json" };
  const large = { plainBytes: 9_000, gzipBytes: 9_000 };

  test("text that is sent as it is, where a client that takes gzip was answered", () => {
    expect(findingsOf(facts({}, json), [probe({}, large)])).toMatchObject([
      expect.stringMatching(/^uncompressed: application\/json of 8\.79 kB/),
    ]);
    const asking = facts(sent({ acceptEncoding: 100 }), json);
    const big = gets(
      steady.map(({ atMs, key, body }) => [atMs, key, body ?? 0] as const),
      {
        responseBytes: 5_000,
      },
    );
    expect(findingsOf(asking, [], big)).toHaveLength(1);
    // Nobody asked for gzip: nothing is known.
    expect(findingsOf(facts({}, json), [], big)).toEqual([]);
    expect(findingsOf(asking)).toEqual([]);
    expect(
      findingsOf(facts({}, { ...json, contentType: "image/png" }), [probe({}, large)]),
    ).toEqual([]);
    expect(findingsOf(facts({}, { ...json, contentEncoding: "br" }), [probe({}, large)])).toEqual(
      [],
    );
    expect(
      findingsOf(facts({}, json), [probe({}, { ...large, compressed: 3, gzipBytes: 900 })]),
    ).toEqual([]);
  });

  test("a POST that repeats and always gives the same looks like a read", () => {
    const post = facts({ method: "POST" }, {});
    const reads = steady.map((entry) => ({ ...entry, method: "POST" }));
    expect(findingsOf(post, [], reads)).toMatchObject([
      expect.stringMatching(/^post-read: .*90\.0 % of its requests.*100 %.*offer it as GET/),
    ]);
    const writes = reads.map((entry, index) => ({ ...entry, body: index }));
    expect(findingsOf(post, [], writes)).toEqual([]);
    const once = reads.map((entry, index) => ({ ...entry, key: index }));
    expect(findingsOf(post, [], once)).toEqual([]);
    expect(findingsOf(facts({ method: "PUT" }, {}), [], reads)).toEqual([]);
    // A probe of a GET of the same name is not about it.
    expect(endpointOf(post, [probe()], reads)).toMatchObject({ edge: "not stored" });
  });
});

describe("the whole", () => {
  test("endpoints are listed busiest first, and a mix of headers is told", () => {
    const rare = facts(
      { endpoint: "rare" },
      { ...GOOD, count: 75 },
      { cacheControl: "no-store", count: 25 },
    );
    const trace = [...steady, ...gets([[9_990, 99, 1]], { endpoint: "rare" })];
    const audit = auditResponses([rare, facts({}, GOOD)], trace);
    expect(audit.endpoints.map(({ name }) => name)).toEqual(["item", "rare"]);
    expect(audit.endpoints[1]?.because).toContain("(75.0 % of its answers");
    expect(audit.requests).toBe(101);
  });

  test("where edge and browser differ, both reasons are given", () => {
    const { because } = endpointOf(facts({}, { cacheControl: "private, max-age=5" }));
    expect(because).toBe(
      "at the edge private keeps it out of shared caches; in the browser max-age keeps it for 5 s",
    );
  });

  test("what never had status 200 is judged by nothing else", () => {
    const gone = facts({}, { status: 404 });
    const trace = steady.map((entry) => ({ ...entry, status: 404 }));
    expect(endpointOf(gone, [], trace)).toMatchObject({
      edge: "not stored",
      because: "no answer had status 200",
      findings: [],
    });
    expect(auditResponses([gone], trace)).toMatchObject({ edge: [], edgeHitRateNow: 0 });
  });

  test("the edge is predicted for times up to the trace's length, and what limits that is said", () => {
    const audit = auditResponses([facts({}, GOOD)], steady, [probe()]);
    expect(audit.edge.map(({ ttlMs }) => ttlMs)).toEqual([1_000, 5_000, 15_000]);
    expect(audit.edge.at(-1)?.hitRate).toBeCloseTo(0.9);
    expect(audit.edgeHitRateNow).toBeCloseTo(0.9);
    expect(audit.words.join("\n")).toMatch(/the trace is 9\.9 s long/);
    expect(audit.words.join("\n")).not.toContain("was not probed");
    expect(auditResponses([facts({}, GOOD)], steady).words.at(-1)).toContain("was not probed");
  });

  test("caches in front, other methods and what is one user's are told", () => {
    const responses = [
      facts({ ageSecondsMax: 9 }, GOOD),
      facts({ endpoint: "me" }, { cacheControl: "private" }),
      facts({ endpoint: "save", method: "POST" }),
    ];
    const trace = [
      ...steady.slice(0, 50),
      ...steady.slice(0, 30).map((entry) => ({ ...entry, endpoint: "me" })),
      ...steady.slice(0, 20).map((entry) => ({ ...entry, endpoint: "save", method: "POST" })),
    ];
    const words = auditResponses(responses, trace).words.join("\n");
    expect(words).toContain("20.0 % of the requests are no GET");
    expect(words).toContain("30.0 % of the requests are a GET whose answer is one user's");
    expect(words).toContain("answers of item carry Age");
  });

  test("nothing seen, nothing claimed", () => {
    expect(auditResponses([], [])).toEqual({
      requests: 0,
      endpoints: [],
      edge: [],
      edgeHitRateNow: 0,
      words: [],
    });
    const [endpoint] = auditResponses([facts({}, GOOD)], []).endpoints;
    expect(endpoint).toMatchObject({ requests: 0, bytesMean: 0 });
    expect(endpoint).not.toHaveProperty("unchangedShare");
  });
});
