import { describe, expect, test } from "vitest";
import { readDirectives, readVary } from "../../../../src/advise/cache/http/directives.ts";
import { keepingOf } from "../../../../src/advise/cache/http/keeping.ts";
import type { ResponseFacts, ResponseVariant } from "../../../../src/core/sample.ts";
import { facts, variant } from "./facts.ts";

describe("Cache-Control is read", () => {
  test("whatever the case, the spaces and the quotes", () => {
    const directives = readDirectives(
      'Public , MAX-AGE = 60,private="set-cookie, x",, s-maxage="5"',
    );
    expect(directives.has("public")).toBe(true);
    expect(directives.has("x")).toBe(false);
    expect(directives.seconds("max-age")).toBe(60);
    expect(directives.seconds("s-maxage")).toBe(5);
    expect(directives.seconds("stale-if-error")).toBeUndefined();
    expect(directives.disputed).toEqual([]);
  });

  test.each(["max-age", "max-age=", "max-age=-1", "max-age=1.5", "max-age=1h"])(
    "%s is no number of seconds",
    (text) => {
      expect(readDirectives(text).seconds("max-age")).toBe("invalid");
    },
  );

  test("the first of two counts, and that they differ is known", () => {
    const directives = readDirectives("max-age=1, no-cache, no-cache, max-age=2");
    expect(directives.seconds("max-age")).toBe(1);
    expect(directives.disputed).toEqual(["max-age"]);
    expect(readDirectives("").empty).toBe(true);
    expect(readDirectives(undefined).empty).toBe(true);
    expect(readDirectives("max-age=99999999999999999999").seconds("max-age")).toBe(2 ** 31);
  });

  test("and Vary by its names", () => {
    expect([...readVary("Accept-Encoding,, Cookie ")]).toEqual(["accept-encoding", "cookie"]);
    expect(readVary(undefined).size).toBe(0);
  });
});

type Case = readonly [
  what: string,
  of: Partial<ResponseVariant>,
  request: Partial<ResponseFacts>,
  edge: string,
  browser: string,
];

const authorized = { sent: { authorization: 100, cookie: 0, acceptEncoding: 0 } };

/** By RFC 9111; a number is how many seconds it is stored for. */
const cases: readonly Case[] = [
  ["nothing said, with an ETag", {}, {}, "revalidated", "revalidated"],
  ["nothing said, no validator", { etag: "none" }, {}, "not stored", "not stored"],
  ["max-age", { cacheControl: "max-age=60" }, {}, "stored 60", "stored 60"],
  ["s-maxage", { cacheControl: "max-age=60, s-maxage=300" }, {}, "stored 300", "stored 60"],
  [
    "CDN-Cache-Control",
    { cacheControl: "no-store", cdnCacheControl: "max-age=9" },
    {},
    "stored 9",
    "not stored",
  ],
  ["Expires", { expiresSeconds: 30 }, {}, "stored 30", "stored 30"],
  [
    "max-age before Expires",
    { cacheControl: "max-age=5", expiresSeconds: 30 },
    {},
    "stored 5",
    "stored 5",
  ],
  ["Expires in the past", { expiresSeconds: -5 }, {}, "revalidated", "revalidated"],
  ["Expires that is no date", { expiresSeconds: "invalid" }, {}, "revalidated", "revalidated"],
  ["private", { cacheControl: "private, max-age=60" }, {}, "not stored", "stored 60"],
  ["no-store", { cacheControl: "no-store, max-age=60" }, {}, "not stored", "not stored"],
  [
    "no-store, must-understand",
    { cacheControl: "no-store, must-understand, max-age=60" },
    {},
    "stored 60",
    "stored 60",
  ],
  ["no-cache", { cacheControl: "no-cache, max-age=60" }, {}, "revalidated", "revalidated"],
  [
    "no-cache, no validator",
    { cacheControl: "no-cache", etag: "none" },
    {},
    "not stored",
    "not stored",
  ],
  [
    "max-age=0, weak ETag",
    { cacheControl: "max-age=0", etag: "weak" },
    {},
    "revalidated",
    "revalidated",
  ],
  ["max-age that is no number", { cacheControl: "max-age=soon" }, {}, "revalidated", "revalidated"],
  [
    "Last-Modified alone",
    { etag: "none", lastModified: true },
    { sinceModifiedSecondsMin: 100 },
    "stored 10",
    "stored 10",
  ],
  [
    "modified just now",
    { etag: "none", lastModified: true },
    { sinceModifiedSecondsMin: 0 },
    "revalidated",
    "revalidated",
  ],
  ["Authorization", { cacheControl: "max-age=60" }, authorized, "not stored", "stored 60"],
  [
    "Authorization, public",
    { cacheControl: "public, max-age=60" },
    authorized,
    "stored 60",
    "stored 60",
  ],
  [
    "Authorization, must-revalidate",
    { cacheControl: "must-revalidate, max-age=60" },
    authorized,
    "stored 60",
    "stored 60",
  ],
  ["Set-Cookie", { cacheControl: "max-age=60", setCookie: true }, {}, "not stored", "stored 60"],
  ["Vary: *", { cacheControl: "max-age=60", vary: "*" }, {}, "not stored", "not stored"],
  ["Vary: Cookie", { cacheControl: "max-age=60", vary: "cookie" }, {}, "not stored", "stored 60"],
  [
    "Vary: Accept-Encoding",
    { cacheControl: "max-age=60", vary: "accept-encoding" },
    {},
    "stored 60",
    "stored 60",
  ],
  [
    "Pragma alone means nothing",
    { cacheControl: "max-age=60", pragma: "no-cache" },
    {},
    "stored 60",
    "stored 60",
  ],
  ["POST", { cacheControl: "max-age=60" }, { method: "POST" }, "not stored", "not stored"],
  ["201 without a word", { status: 201 }, {}, "not stored", "not stored"],
  ["201 that says so", { status: 201, cacheControl: "max-age=60" }, {}, "stored 60", "stored 60"],
];

test.each(cases)("%s", (_, of, request, edge, browser) => {
  const told = (cache: "shared" | "private") => {
    const { kind, freshMs } = keepingOf(cache, facts(request), variant(of));
    return kind === "stored" ? `stored ${freshMs / 1_000}` : kind;
  };
  expect([told("shared"), told("private")]).toEqual([edge, browser]);
});
