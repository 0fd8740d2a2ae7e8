/** The audit of a workload's answers: what a CDN and a browser could keep (RFC 9111), what the headers have wrong, and what an edge would take. */
import type { EdgePoint, HttpAudit, HttpEndpoint } from "../../../core/cache-advice.ts";
import type { ResponseFacts, TraceEntry, ValidatorProbe } from "../../../core/sample.ts";
import { formatRatio } from "../../../core/units.ts";
import { formatAge } from "./age.ts";
import { postRead, uncompressed } from "./body-findings.ts";
import { edgePoints, isShareable } from "./edge.ts";
import { headerFindings } from "./header-findings.ts";
import { keepingOf } from "./keeping.ts";
import { subjectsOf } from "./subject.ts";
import type { Subject } from "./subject.ts";
import { validatorFindings } from "./validator-findings.ts";

/** Of what an edge is told to keep answers for; those longer than the trace all look like its length. */
const TTLS_MS = [1_000, 5_000, 15_000, 60_000, 300_000, 900_000, 3_600_000];

export function auditResponses(
  responses: readonly ResponseFacts[],
  trace: readonly TraceEntry[],
  probes: readonly ValidatorProbe[] = [],
): HttpAudit {
  const subjects = subjectsOf(responses, trace, probes);
  const lengthMs = trace.at(-1)?.atMs ?? 0;
  const ttlsMs = ttlsFor(lengthMs);
  const edge = subjects.some(isShareable)
    ? edgePoints(trace, responses, { ttlsMs, headers: "possible", probes })
    : [];
  const [now] = edgePoints(trace, responses, { ttlsMs: [Infinity], headers: "now", probes });
  return {
    requests: trace.length,
    endpoints: subjects.map(endpointOf).toSorted((left, right) => right.requests - left.requests),
    edge,
    edgeHitRateNow: now?.hitRate ?? 0,
    words: [
      ...words(subjects, now, edge, lengthMs),
      ...(subjects.length > 0 && probes.length === 0
        ? ["whether validators are honoured and text is compressed was not probed"]
        : []),
    ],
  };
}

function ttlsFor(lengthMs: number): readonly number[] {
  const beyond = TTLS_MS.findIndex((ttlMs) => ttlMs >= lengthMs);
  return beyond < 0 ? TTLS_MS : TTLS_MS.slice(0, beyond + 1);
}

function endpointOf(subject: Subject): HttpEndpoint {
  const { facts, variant, requests, bytesMean, unchangedShare } = subject;
  return {
    name: facts.endpoint,
    method: facts.method,
    requests,
    bytesMean,
    ...keptOf(subject),
    ...(unchangedShare === undefined ? {} : { unchangedShare }),
    findings:
      facts.method === "GET" && variant
        ? [
            ...headerFindings(subject, variant),
            ...validatorFindings(subject, variant),
            ...uncompressed(subject, variant),
          ]
        : postRead(subject),
  };
}

function keptOf({ facts, variant }: Subject): Pick<HttpEndpoint, "edge" | "browser" | "because"> {
  if (!variant) {
    return { edge: "not stored", browser: "not stored", because: "no answer had status 200" };
  }
  const shared = keepingOf("shared", facts, variant);
  const browser = keepingOf("private", facts, variant);
  const alike = shared.because === browser.because;
  const because = alike
    ? shared.because
    : `at the edge ${shared.because}; in the browser ${browser.because}`;
  return { edge: shared.kind, browser: browser.kind, because: `${because}${mixture(facts)}` };
}

/** Where answers of status 200 differ in their headers, the most frequent ones speak for all. */
function mixture({ variants, others }: ResponseFacts): string {
  const good = variants.filter(({ status }) => status === 200);
  const all = good.reduce((sum, { count }) => sum + count, others);
  const most = good[0]?.count ?? 0;
  const rules = new Set(
    good.map((each) =>
      [each.cacheControl, each.cdnCacheControl, each.vary, each.setCookie].join("\n"),
    ),
  );
  return rules.size < 2
    ? ""
    : ` (${formatRatio(most / all)} of its answers; others have other headers)`;
}

function words(
  subjects: readonly Subject[],
  now: EdgePoint | undefined,
  edge: readonly EdgePoint[],
  lengthMs: number,
): readonly string[] {
  const requests = subjects.reduce((sum, subject) => sum + subject.requests, 0);
  const share = (of: (subject: Subject) => boolean) =>
    requests === 0
      ? 0
      : subjects.filter(of).reduce((sum, subject) => sum + subject.requests, 0) / requests;
  const unsafe = share(({ facts }) => facts.method !== "GET");
  const kept = share((subject) => subject.facts.method === "GET" && !isShareable(subject));
  const last = edge.at(-1);
  const said: string[] = [];
  if (unsafe > 0)
    said.push(`${formatRatio(unsafe)} of the requests are no GET, which no HTTP cache answers`);
  if (kept > 0) {
    said.push(
      `${formatRatio(kept)} of the requests are a GET whose answer is one user's, is forbidden to be kept, or never had status 200: no edge is counted on for them`,
    );
  }
  if (now?.revalidatedShare !== undefined && now.revalidatedShare > 0) {
    said.push(
      `as the headers are now, ${formatRatio(now.revalidatedShare)} of the requests would pass the edge with a validator and come back as 304`,
    );
  }
  if (last?.bytesSavedShare !== undefined && last.hitRate > 0) {
    said.push(
      `with answers kept for ${formatAge(last.ttlMs)}, ${formatRatio(last.bytesSavedShare)} of the bytes of all bodies would not be sent by the service`,
    );
  }
  if (last) {
    said.push(
      `the trace is ${formatAge(lengthMs)} long and the edge empty at its start: a longer time to live cannot show what it would gain; and it is one edge, several each see a part`,
    );
  }
  const guessed = subjects.filter(
    ({ facts, variant }) => variant && keepingOf("shared", facts, variant).guessed,
  );
  if (guessed.length > 0) {
    said.push(
      `${namesOf(guessed)} may be kept for as long as a cache guesses, which is not counted as the headers are now`,
    );
  }
  const ages = subjects.filter(({ facts }) => facts.ageSecondsMax !== undefined);
  if (ages.length > 0) {
    said.push(
      `answers of ${namesOf(ages)} carry Age: a cache in front of the service answered, and what it sent is what was judged`,
    );
  }
  const varied = subjects.filter(({ variant }) => /\buser-agent\b/.test(variant?.vary ?? ""));
  if (varied.length > 0) {
    said.push(
      `${namesOf(varied)} vary by User-Agent: the load sends one, many browsers would share less than predicted`,
    );
  }
  return said;
}

function namesOf(subjects: readonly Subject[]): string {
  return subjects.map(({ facts }) => facts.endpoint).join(", ");
}
