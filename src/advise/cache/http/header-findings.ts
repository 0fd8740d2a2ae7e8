/** What is wrong with the headers that say who may keep an answer and for how long. */
import type { HttpFinding } from "../../../core/cache-advice.ts";
import type { ResponseVariant } from "../../../core/sample.ts";
import { formatRatio } from "../../../core/units.ts";
import { formatAge } from "./age.ts";
import { readDirectives, readVary } from "./directives.ts";
import type { Directives } from "./directives.ts";
import { allowsAuthorized, keepingOf } from "./keeping.ts";
import type { Subject } from "./subject.ts";

/** Expires was rounded to two digits, and Date to a second: a smaller difference from max-age is none. */
const EXPIRES_TOLERANCE = 0.1;
const EXPIRES_TOLERANCE_SECONDS = 2;

/** Of a GET with answers of status 200. */
export function headerFindings(subject: Subject, variant: ResponseVariant): readonly HttpFinding[] {
  const directives = readDirectives(variant.cacheControl);
  return [
    ...unspoken(subject, variant, directives),
    ...contradictions(variant, directives),
    ...cookie(subject, variant),
    ...vary(subject, variant),
    ...personal(subject, variant, directives),
  ];
}

function unspoken(
  { facts, unchangedShare }: Subject,
  variant: ResponseVariant,
  directives: Directives,
): readonly HttpFinding[] {
  const says = !directives.empty || variant.expiresSeconds !== undefined;
  if (says || variant.cdnCacheControl !== undefined) return [];
  const scope = facts.sent.authorization > 0 || facts.sent.cookie > 0 ? "private" : "public";
  const steady =
    unchangedShare === undefined
      ? ""
      : ` (${formatRatio(unchangedShare)} of the requests that repeated one got what the last one got)`;
  const remedy = `send \`Cache-Control: ${scope}, max-age=N\` with the age in seconds that does no harm${steady}, or \`${scope}, no-cache\` beside an ETag where every answer must be current`;
  if (!variant.lastModified) {
    const detail = "no answer says whether and how long it may be kept";
    return [{ kind: "no-cache-control", detail, remedy }];
  }
  const { sinceModifiedSecondsMin } = facts;
  const guess =
    sinceModifiedSecondsMin === undefined
      ? ""
      : `, here from ${formatAge(sinceModifiedSecondsMin * 100)} on`;
  const detail = `there is Last-Modified and nothing else: each cache guesses how long the answer holds, usually a tenth of its age${guess}, and nobody decided that`;
  return [{ kind: "heuristic", detail, remedy }];
}

function contradictions(
  { expiresSeconds, pragma }: ResponseVariant,
  directives: Directives,
): readonly HttpFinding[] {
  const found: [detail: string, remedy: string][] = [];
  const { has, seconds } = directives;
  const lives = ["max-age", "s-maxage"].filter((name) => has(name) && seconds(name) !== 0);
  const invalid = lives.filter((name) => seconds(name) === "invalid");
  if (has("no-store") && !has("must-understand") && (lives.length > 0 || has("public"))) {
    const other = lives[0] ?? "public";
    found.push([
      `no-store forbids keeping the answer, and ${other} says how to keep it: no-store wins`,
      "send one of the two",
    ]);
  } else if (has("no-cache") && lives.length > 0) {
    found.push([
      `no-cache has caches ask each time, and ${lives.join(" and ")} says that they need not: no-cache wins`,
      "send `no-cache` where every answer must be current, and the age alone where not",
    ]);
  }
  const shared = ["public", "s-maxage"].filter(has);
  if (has("private") && shared.length > 0) {
    found.push([
      `private keeps the answer out of shared caches, and ${shared.join(" and ")} is meant for them`,
      "send `private` for what is one user's, and without it what is everybody's",
    ]);
  }
  for (const name of invalid) {
    found.push([`${name} is no whole number of seconds`, "give seconds: `max-age=60`"]);
  }
  for (const name of directives.disputed) {
    found.push([`${name} is there twice, with different values`, "send one Cache-Control header"]);
  }
  const age = seconds("max-age");
  if (typeof age === "number" && expiresSeconds !== undefined && disagree(expiresSeconds, age)) {
    const expires = expiresSeconds === "invalid" ? "at once" : `in ${spoken(expiresSeconds)}`;
    found.push([
      `Expires lets the answer expire ${expires}, max-age in ${spoken(age)}: caches obey max-age, the few that only know HTTP/1.0 Expires`,
      "leave Expires out, or derive both from one setting",
    ]);
  }
  if (pragma?.includes("no-cache") === true && lives.length > 0 && !has("no-cache")) {
    found.push([
      "Pragma: no-cache beside a max-age: in an answer Pragma means nothing",
      "leave Pragma out, and say in Cache-Control what is meant",
    ]);
  }
  return found.map(([detail, remedy]) => ({ kind: "contradiction", detail, remedy }));
}

function disagree(expires: number | "invalid", age: number): boolean {
  if (expires === "invalid") return age > 0;
  const difference = Math.abs(Math.max(0, expires) - age);
  return difference > Math.max(EXPIRES_TOLERANCE_SECONDS, EXPIRES_TOLERANCE * age);
}

function spoken(seconds: number): string {
  return formatAge(Math.max(0, seconds) * 1_000);
}

function cookie({ facts }: Subject, variant: ResponseVariant): readonly HttpFinding[] {
  if (!variant.setCookie) return [];
  const without = keepingOf("shared", facts, { ...variant, setCookie: false });
  if (without.kind === "not stored") return [];
  return [
    {
      kind: "cookie",
      detail:
        "the answer may be kept by shared caches, and sets a cookie: most CDNs then keep nothing, and one that does hands the cookie to others",
      remedy: "set the cookie where it is needed, at sign-in, and not on what everybody reads",
    },
  ];
}

function vary({ probe }: Subject, variant: ResponseVariant): readonly HttpFinding[] {
  const directives = readDirectives(variant.cacheControl);
  if (directives.has("no-store")) return [];
  const names = readVary(variant.vary);
  const found: [detail: string, remedy: string][] = [];
  if (names.has("*")) {
    found.push([
      "Vary: * says that no other request can have this answer: nothing is ever reused",
      "name the request headers that change the answer, or send no-store",
    ]);
  }
  if (names.has("cookie") || names.has("authorization")) {
    const name = names.has("cookie") ? "Cookie" : "Authorization";
    if (!directives.has("private")) {
      found.push([
        `Vary: ${name} keeps one copy for each value: no user is answered with another's`,
        `leave ${name} out of Vary where the answer is the same for all, and send \`private\` where it is not`,
      ]);
    }
  }
  if (names.has("user-agent")) {
    found.push([
      "Vary: User-Agent keeps one copy for each version of each browser",
      "vary by what matters, for instance Accept, or not at all",
    ]);
  }
  const { compressed = 0, withoutVary = 0 } = probe?.gzip ?? {};
  if (withoutVary > 0 && !names.has("accept-encoding")) {
    found.push([
      `${withoutVary} of ${compressed} compressed answers came without Vary: Accept-Encoding: a cache may send them to clients that cannot read them`,
      "send `Vary: Accept-Encoding` with every answer of an endpoint that compresses",
    ]);
  }
  return found.map(([detail, remedy]) => ({ kind: "vary", detail, remedy }));
}

/** Answers to requests that say who asks. Whether they are the same for all, one client's load cannot show. */
function personal(
  { facts }: Subject,
  variant: ResponseVariant,
  directives: Directives,
): readonly HttpFinding[] {
  const { authorization, cookie: cookies } = facts.sent;
  const { kind } = keepingOf("shared", facts, variant);
  if (authorization > 0 && kind === "not stored") {
    const settled = ["private", "no-store"].some((name) => directives.has(name));
    if (settled || allowsAuthorized(directives)) return [];
    return [
      {
        kind: "private-data",
        detail:
          "its requests carry Authorization: a shared cache may keep the answer only with public, s-maxage or must-revalidate",
        remedy:
          "send `public` where the answer is the same for everybody who may ask, and `private` where it is not",
      },
    ];
  }
  const names = readVary(variant.vary);
  const exposed = [
    authorization > 0 && !names.has("authorization") ? "Authorization" : undefined,
    cookies > 0 && !names.has("cookie") ? "a cookie" : undefined,
  ].filter((each) => each !== undefined);
  // One that asks each time asks with the user's own credentials.
  if (kind !== "stored" || exposed.length === 0) return [];
  return [
    {
      kind: "private-data",
      detail: `its requests carry ${exposed.join(" and ")}, and a shared cache may give the answer of one user to all: right only where it is the same for everybody, which this load does not show`,
      remedy: "check that, and send `private` where it is not so",
    },
  ];
}
