/** What a shared cache in front of the service would have answered of a trace: each request's true answer is in it, so that staleness is counted too. */
import type { EdgePoint } from "../../../core/cache-advice.ts";
import type { ResponseFacts, TraceEntry, ValidatorProbe } from "../../../core/sample.ts";
import { allowsAuthorized, directivesFor, hasValidator, keepingOf } from "./keeping.ts";
import { readVary } from "./directives.ts";
import { conditionalOf, endpointKey, subjectsOf } from "./subject.ts";
import type { Subject } from "./subject.ts";

export interface EdgeOptions {
  readonly ttlsMs: readonly number[];
  /**
   * `now`: what the headers let a shared cache keep, for no longer than they say, guesses not counted. `possible`: every GET whose answer is not one
   * user's and not forbidden by no-store, for as long as the point says, with validators that work.
   */
  readonly headers: "now" | "possible";
  /** Where they showed that validators are ignored, nothing is revalidated as headers are now. */
  readonly probes?: readonly ValidatorProbe[];
}

interface Rule {
  /** How long an answer may be used at the most. */
  readonly freshMsMax: number;
  readonly revalidates: boolean;
}

/** The requests that an edge may answer, in columns; keys are renumbered. */
interface Columns {
  readonly atMs: Float64Array;
  readonly key: Uint32Array;
  readonly keyCount: number;
  /** NaN where it is not known. */
  readonly body: Float64Array;
  readonly bytes: Float64Array;
  readonly rule: Uint16Array;
  readonly rules: readonly Rule[];
}

/**
 * One edge, empty at the start, that forgets nothing for want of memory: what several share, each sees less of. Only bodies that were
 * asked for are seen: an answer that changed and changed back in between counts as current, so that stale shares are lower bounds.
 */
export function edgePoints(
  trace: readonly TraceEntry[],
  responses: readonly ResponseFacts[],
  { ttlsMs, headers, probes = [] }: EdgeOptions,
): readonly EdgePoint[] {
  const rules = new Map<string, Rule>();
  for (const subject of subjectsOf(responses, [], probes)) {
    const rule = headers === "now" ? ruleNow(subject) : rulePossible(subject);
    if (rule) rules.set(endpointKey(subject.facts), rule);
  }
  const columns = columnsOf(trace, rules);
  const bytesOfAll = trace.reduce((sum, { responseBytes }) => sum + responseBytes, 0);
  return ttlsMs.map((ttlMs) => pointOf(columns, ttlMs, trace.length, bytesOfAll));
}

/** Whether a shared cache might keep the endpoint's answers, were they sent with other headers: they are for everybody. */
export function isShareable({ facts, variant }: Subject): boolean {
  if (facts.method !== "GET" || !variant) return false;
  const directives = directivesFor("shared", variant);
  const vary = readVary(variant.vary);
  const forbidden = directives.has("private") || directives.has("no-store");
  const personal = facts.sent.authorization > 0 || facts.sent.cookie > 0;
  return (
    !forbidden &&
    !variant.setCookie &&
    !["*", "cookie", "authorization"].some((name) => vary.has(name)) &&
    (!personal || allowsAuthorized(directives))
  );
}

function ruleNow(subject: Subject): Rule | undefined {
  const { facts, variant } = subject;
  if (!variant) return undefined;
  const keeping = keepingOf("shared", facts, variant);
  if (keeping.kind === "not stored") return undefined;
  const { notModified, ignored } = conditionalOf(subject);
  const revalidates = hasValidator(variant) && !(ignored > 0 && notModified === 0);
  return { freshMsMax: keeping.guessed ? 0 : keeping.freshMs, revalidates };
}

function rulePossible(subject: Subject): Rule | undefined {
  return isShareable(subject) ? { freshMsMax: Infinity, revalidates: true } : undefined;
}

function columnsOf(trace: readonly TraceEntry[], rules: ReadonlyMap<string, Rule>): Columns {
  const all = [...rules.entries()];
  const position = new Map(all.map(([endpoint], index) => [endpoint, index] as const));
  // What the client had already is in the answer, or is not changed by it.
  const kept = trace.filter(
    (entry) => (entry.status === 200 || entry.status === 304) && position.has(endpointKey(entry)),
  );
  const ids = new Map<number, number>();
  for (const { key } of kept) if (!ids.has(key)) ids.set(key, ids.size);
  return {
    atMs: Float64Array.from(kept, ({ atMs }) => atMs),
    key: Uint32Array.from(kept, ({ key }) => ids.get(key) ?? 0),
    keyCount: ids.size,
    body: Float64Array.from(kept, ({ body }) => body ?? Number.NaN),
    bytes: Float64Array.from(kept, ({ responseBytes }) => responseBytes),
    rule: Uint16Array.from(kept, (entry) => position.get(endpointKey(entry)) ?? 0),
    rules: all.map(([, rule]) => rule),
  };
}

function pointOf(columns: Columns, ttlMs: number, requests: number, bytesOfAll: number): EdgePoint {
  const { atMs, key, keyCount, body, bytes, rule, rules } = columns;
  const expiresAt = new Float64Array(keyCount).fill(-Infinity);
  const bodyHeld = new Float64Array(keyCount).fill(Number.NaN);
  const bytesHeld = new Float64Array(keyCount);
  const memory = memoryMeter();
  const freshMs = rules.map(({ freshMsMax }) => Math.min(ttlMs, freshMsMax));
  let hits = 0;
  let stale = 0;
  let notModified = 0;
  let bytesSaved = 0;
  for (let row = 0; row < atMs.length; row += 1) {
    const id = key[row] ?? 0;
    const at = atMs[row] ?? 0;
    const current = body[row] ?? Number.NaN;
    const held = bodyHeld[id] ?? Number.NaN;
    if (at < (expiresAt[id] ?? 0)) {
      hits += 1;
      bytesSaved += bytes[row] ?? 0;
      // NaN, which stands for a body that is not known, is neither the same nor another.
      if (current < held || current > held) stale += 1;
      continue;
    }
    const of = rule[row] ?? 0;
    if (current === held && rules[of]?.revalidates === true) {
      notModified += 1;
      bytesSaved += bytes[row] ?? 0;
    }
    // A client's 304 has no body of its own: it is as large as it was.
    bytesHeld[id] = Math.max(bytes[row] ?? 0, current === held ? (bytesHeld[id] ?? 0) : 0);
    bodyHeld[id] = current;
    const lifeMs = freshMs[of] ?? 0;
    expiresAt[id] = at + lifeMs;
    memory.hold(at, lifeMs, bytesHeld[id] ?? 0);
  }
  const share = (count: number) => (requests === 0 ? 0 : count / requests);
  return {
    ttlMs,
    hitRate: share(hits),
    staleShare: share(stale),
    bytes: memory.most(),
    revalidatedShare: share(notModified),
    bytesSavedShare: bytesOfAll === 0 ? 0 : bytesSaved / bytesOfAll,
  };
}

/** Of what is held and not out of date, the most at any moment. Times may not go back. */
function memoryMeter() {
  /** By length of life: what has the same one expires in the order in which it came. */
  const queues = new Map<
    number,
    { readonly ends: number[]; readonly sizes: number[]; next: number }
  >();
  let now = 0;
  let most = 0;
  return {
    most: () => most,
    hold: (at: number, lifeMs: number, size: number): void => {
      if (lifeMs <= 0) return;
      for (const queue of queues.values()) {
        while ((queue.ends[queue.next] ?? Infinity) <= at) {
          now -= queue.sizes[queue.next] ?? 0;
          queue.next += 1;
        }
      }
      const queue = queues.get(lifeMs) ?? { ends: [], sizes: [], next: 0 };
      queues.set(lifeMs, queue);
      queue.ends.push(at + lifeMs);
      queue.sizes.push(size);
      now += size;
      most = Math.max(most, now);
    },
  };
}
