/** Of each endpoint's answers, what decides how caches may keep them: combinations of headers, and how validators follow the bodies. */
import type {
  ConditionalFacts,
  ResponseFacts,
  ResponseVariant,
  ValidatorFacts,
} from "../core/sample.ts";
import { endpointsOf } from "../core/workload.ts";
import type { RequestTemplate } from "../core/workload.ts";
import type { Seen } from "./flights.ts";
import type { LoadRequest } from "./request.ts";
import type { GeneratedRequest } from "./requests.ts";
import { oneHeader } from "./revalidation.ts";
import type { Held } from "./revalidation.ts";

export interface ResponseRecorder {
  readonly sent: (request: GeneratedRequest) => void;
  /** `key` is the request's; `held` what its client had already, where it said so in the request. */
  readonly answered: (endpoint: number, key: number, seen: Seen, held: Held | undefined) => void;
  /** In the order of the workload's endpoints, those that were never asked for too. */
  readonly facts: () => readonly ResponseFacts[];
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

interface Answers {
  samples: number;
  others: number;
  readonly variants: Map<string, Mutable<ResponseVariant>>;
  /** By the headers as they came, those in `variants`. */
  readonly byText: Map<string, Mutable<ResponseVariant>>;
  readonly sent: Mutable<ResponseFacts["sent"]>;
  readonly validators: Mutable<ValidatorFacts>;
  readonly conditional: Mutable<ConditionalFacts>;
  /** By request: its last answer of status 200 with an ETag. */
  readonly last: Map<number, { readonly etag: string; readonly body: number }>;
  ageSecondsMax: number | undefined;
  sinceModifiedSecondsMin: number | undefined;
}

const VARIANTS_MAX = 8;
const TEXTS_MAX = 64;
/** Each thread's; of requests beyond them it is not known whether their validators are steady. */
const KEYS_MAX = 50_000;
const TEXT_MAX = 200;

export function responseRecorder({
  workload,
  headers = {},
}: Pick<LoadRequest, "workload" | "headers">): ResponseRecorder {
  const templates = endpointsOf(workload);
  const endpoints = templates.map(newAnswers);
  const always = Object.keys(headers);
  /** Most templates send the same headers with every request. */
  const known = new WeakMap<object, ReadonlySet<string>>();
  return {
    sent: (request) => {
      const answers = endpoints[request.endpoint];
      if (!answers) return;
      const names =
        known.get(request.headers) ?? namesIn([...always, ...Object.keys(request.headers)]);
      known.set(request.headers, names);
      if (names.has("authorization")) answers.sent.authorization += 1;
      if (names.has("cookie")) answers.sent.cookie += 1;
      if (names.has("accept-encoding")) answers.sent.acceptEncoding += 1;
    },
    answered: (endpoint, key, seen, held) => {
      const answers = endpoints[endpoint];
      if (!answers) return;
      answers.samples += 1;
      countVariant(answers, seen);
      countAges(answers, seen);
      if (held) countConditional(answers.conditional, seen, held.body);
      countValidator(answers, key, seen);
    },
    facts: () => endpoints.map((answers, index) => factsOf(templates[index], answers)),
  };
}

/** Of several threads: the same endpoints in the same order. */
export function mergeResponses(
  all: readonly (readonly ResponseFacts[])[],
): readonly ResponseFacts[] {
  return (all[0] ?? []).map((first, index) =>
    all.slice(1).reduce((left, facts) => added(left, facts[index]), first),
  );
}

/** How one conditional request ended; `body` is the hash of what its client had. */
export function countConditional(
  counts: Mutable<ConditionalFacts>,
  seen: Pick<Seen, "status" | "body">,
  body: number | undefined,
): void {
  counts.sent += 1;
  if (seen.status === 304) counts.notModified += 1;
  if (seen.status !== 200 || body === undefined) return;
  if (seen.body === body) counts.ignored += 1;
  else counts.changed += 1;
}

export function noConditional(): Mutable<ConditionalFacts> {
  return { sent: 0, notModified: 0, ignored: 0, changed: 0 };
}

function newAnswers(): Answers {
  return {
    samples: 0,
    others: 0,
    variants: new Map(),
    byText: new Map(),
    sent: { authorization: 0, cookie: 0, acceptEncoding: 0 },
    validators: { steady: 0, unstable: 0, wrong: 0, loose: 0, changed: 0 },
    conditional: noConditional(),
    last: new Map(),
    ageSecondsMax: undefined,
    sinceModifiedSecondsMin: undefined,
  };
}

function namesIn(names: readonly string[]): ReadonlySet<string> {
  return new Set(names.map((name) => name.toLowerCase()));
}

function countVariant(answers: Answers, seen: Seen): void {
  const { variants, byText } = answers;
  const expires = expiryOf(seen.headers);
  const text = textOf(seen, expires);
  const seenBefore = byText.get(text);
  if (seenBefore) {
    seenBefore.count += 1;
    return;
  }
  const variant = variantOf(seen, expires);
  const key = keyOf(variant);
  const known = variants.get(key);
  if (known) known.count += 1;
  else if (variants.size < VARIANTS_MAX) variants.set(key, variant);
  else answers.others += 1;
  const counted = variants.get(key);
  if (counted && byText.size < TEXTS_MAX) byText.set(text, counted);
}

/** All that a variant is made of, as it came: reading and cutting every header of every answer would take several microseconds. */
function textOf({ status, headers: of }: Seen, expires: ResponseVariant["expiresSeconds"]): string {
  const texts = `${String(of["cache-control"])}\n${String(of["cdn-cache-control"])}\n${String(of["vary"])}\n${String(of["pragma"])}\n${String(of["content-encoding"])}\n${String(of["content-type"])}`;
  const there = `${of["last-modified"] !== undefined} ${of["age"] !== undefined} ${of["set-cookie"] !== undefined}`;
  return `${status} ${expires} ${etagKind(of)} ${there}\n${texts}`;
}

function etagKind(headers: Seen["headers"]): ResponseVariant["etag"] {
  const etag = oneHeader(headers["etag"]);
  if (etag === undefined) return "none";
  return etag.startsWith("W/") ? "weak" : "strong";
}

function variantOf(
  { status, headers }: Seen,
  expiresSeconds: ResponseVariant["expiresSeconds"],
): Mutable<ResponseVariant> {
  const text = (name: string) => oneHeader(headers[name])?.trim().toLowerCase().slice(0, TEXT_MAX);
  const cacheControl = text("cache-control");
  const cdnCacheControl = text("cdn-cache-control");
  const vary = text("vary");
  const pragma = text("pragma");
  const contentEncoding = text("content-encoding");
  const contentType = text("content-type")?.split(";", 1)[0]?.trim();
  return {
    count: 1,
    status,
    ...(cacheControl === undefined ? {} : { cacheControl }),
    ...(cdnCacheControl === undefined ? {} : { cdnCacheControl }),
    etag: etagKind(headers),
    lastModified: headers["last-modified"] !== undefined,
    ...(expiresSeconds === undefined ? {} : { expiresSeconds }),
    age: headers["age"] !== undefined,
    ...(vary === undefined ? {} : { vary }),
    setCookie: headers["set-cookie"] !== undefined,
    ...(pragma === undefined ? {} : { pragma }),
    ...(contentEncoding === undefined ? {} : { contentEncoding }),
    ...(contentType === undefined ? {} : { contentType }),
  };
}

function expiryOf(headers: Seen["headers"]): ResponseVariant["expiresSeconds"] {
  const expires = oneHeader(headers["expires"]);
  if (expires === undefined) return undefined;
  const at = momentOf(expires);
  if (Number.isNaN(at)) return "invalid";
  // A fixed moment comes nearer with every answer: each second would be a combination of its own.
  return Number(((at - sentAt(headers)) / 1_000).toPrecision(2));
}

function sentAt(headers: Seen["headers"]): number {
  const at = momentOf(oneHeader(headers["date"]));
  return Number.isNaN(at) ? Date.now() : at;
}

/** Milliseconds; NaN for what is no date of HTTP, which begins with a day: `0` would be taken for the year 2000. */
function momentOf(text: string | undefined): number {
  return text !== undefined && /^[a-z]{3,9}[, ]/i.test(text) ? Date.parse(text) : Number.NaN;
}

function countAges(answers: Answers, { status, headers }: Seen): void {
  const age = Number(oneHeader(headers["age"]) ?? Number.NaN);
  if (Number.isFinite(age)) answers.ageSecondsMax = Math.max(answers.ageSecondsMax ?? 0, age);
  if (status !== 200) return;
  const modified = momentOf(oneHeader(headers["last-modified"]));
  if (Number.isNaN(modified)) return;
  const seconds = Math.max(0, (sentAt(headers) - modified) / 1_000);
  answers.sinceModifiedSecondsMin = Math.min(answers.sinceModifiedSecondsMin ?? Infinity, seconds);
}

function countValidator({ last, validators }: Answers, key: number, seen: Seen): void {
  const etag = oneHeader(seen.headers["etag"]);
  if (seen.status !== 200 || etag === undefined || seen.body === undefined) return;
  const before = last.get(key);
  if (before) {
    const sameBody = before.body === seen.body;
    if (before.etag !== etag) validators[sameBody ? "unstable" : "changed"] += 1;
    else if (sameBody) validators.steady += 1;
    else validators[etag.startsWith("W/") ? "loose" : "wrong"] += 1;
  }
  if (before || last.size < KEYS_MAX) last.set(key, { etag, body: seen.body });
}

function keyOf(variant: ResponseVariant): string {
  return Object.entries(variant)
    .filter(([name]) => name !== "count")
    .map(([name, value]) => `${name}=${value}`)
    .join("\n");
}

function factsOf(template: RequestTemplate | undefined, answers: Answers): ResponseFacts {
  const { samples, others, variants, sent, validators, conditional } = answers;
  const { ageSecondsMax, sinceModifiedSecondsMin } = answers;
  return {
    endpoint: template?.name ?? "",
    method: template?.method ?? "GET",
    samples,
    variants: byCount([...variants.values()]),
    others,
    sent,
    validators,
    ...(conditional.sent > 0 ? { conditional } : {}),
    ...(ageSecondsMax === undefined ? {} : { ageSecondsMax }),
    ...(sinceModifiedSecondsMin === undefined ? {} : { sinceModifiedSecondsMin }),
  };
}

function byCount(variants: readonly ResponseVariant[]): readonly ResponseVariant[] {
  return variants.toSorted((left, right) => right.count - left.count);
}

function added(left: ResponseFacts, right: ResponseFacts | undefined): ResponseFacts {
  if (!right) return left;
  const variants = new Map<string, ResponseVariant>();
  for (const variant of [...left.variants, ...right.variants]) {
    const key = keyOf(variant);
    variants.set(key, { ...variant, count: variant.count + (variants.get(key)?.count ?? 0) });
  }
  const sorted = byCount([...variants.values()]);
  const beyond = sorted.slice(VARIANTS_MAX).reduce((total, { count }) => total + count, 0);
  const conditional = [left.conditional, right.conditional].filter((each) => each !== undefined);
  const ages = defined([left.ageSecondsMax, right.ageSecondsMax]);
  const modified = defined([left.sinceModifiedSecondsMin, right.sinceModifiedSecondsMin]);
  return {
    endpoint: left.endpoint,
    method: left.method,
    samples: left.samples + right.samples,
    variants: sorted.slice(0, VARIANTS_MAX),
    others: left.others + right.others + beyond,
    sent: summed(left.sent, right.sent),
    validators: summed(left.validators, right.validators),
    ...(conditional.length > 0
      ? { conditional: conditional.reduce((sum, each) => summed(sum, each), noConditional()) }
      : {}),
    ...(ages.length > 0 ? { ageSecondsMax: Math.max(...ages) } : {}),
    ...(modified.length > 0 ? { sinceModifiedSecondsMin: Math.min(...modified) } : {}),
  };
}

function summed<Key extends string>(
  left: Readonly<Record<Key, number>>,
  right: Readonly<Record<Key, number>>,
): Record<Key, number> {
  const sum: Record<Key, number> = { ...left };
  for (const key in sum) sum[key] += right[key];
  return sum;
}

function defined(values: readonly (number | undefined)[]): readonly number[] {
  return values.filter((value) => value !== undefined);
}
