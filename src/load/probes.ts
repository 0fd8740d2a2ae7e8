/** A few requests after the window, of GET alone: whether a validator brings a 304, and what a client that takes gzip is sent. */
import { performance } from "node:perf_hooks";
import { throwIfAborted } from "../core/errors.ts";
import type { ConditionalFacts, GzipProbe, ValidatorProbe } from "../core/sample.ts";
import type { RequestTemplate, WorkloadDefinition } from "../core/workload.ts";
import { openConnection } from "./connection.ts";
import { openFlights } from "./flights.ts";
import type { Flights, Seen } from "./flights.ts";
import type { LoadRequest } from "./request.ts";
import { requestSequence } from "./requests.ts";
import type { GeneratedRequest } from "./requests.ts";
import { countConditional, noConditional } from "./responses.ts";
import { oneHeader, validatorHeaders } from "./revalidation.ts";
import { namesIn } from "./template.ts";

export interface ProbeRun extends Pick<
  LoadRequest,
  "baseUrl" | "workload" | "data" | "seed" | "timeoutMs" | "headers" | "tls"
> {
  /** Different URLs of each endpoint; each is asked for at most four times. 3 by default. */
  readonly urlsEach?: number;
}

type Ask = (headers: Readonly<Record<string, string>>) => Promise<Seen | undefined>;

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

interface Counts {
  urls: number;
  answered: number;
  readonly etag: Mutable<ConditionalFacts>;
  readonly modified: Mutable<ConditionalFacts>;
  readonly gzip: Mutable<GzipProbe> & { readonly etag: Mutable<ConditionalFacts> };
}

const URLS_EACH = 3;
/** Draws of a popular parameter repeat themselves: so many are tried for each URL that is wanted. */
const DRAWS_PER_URL = 20;
const ENDPOINTS_MAX = 100;
/** Time limits are looked at this often. */
const EXPIRE_MS = 20;

/**
 * One after another on one connection. Of sessions, the steps that need nothing of earlier answers: no other could be asked for
 * alone. A request that fails says nothing and is left out; rejects with bad-input for a workload that cannot be filled, interrupted
 * when `signal` aborts.
 */
export async function probeValidators(
  run: ProbeRun,
  signal: AbortSignal,
): Promise<readonly ValidatorProbe[]> {
  throwIfAborted(signal);
  const { pool, pathPrefix } = openConnection({ ...run, connections: 1 });
  const recorder = { launch: () => undefined, finish: () => undefined };
  const flights = openFlights(pool, recorder, run.timeoutMs, run.headers);
  const timer = setInterval(() => flights.expire(performance.now()), EXPIRE_MS);
  const stop = (): void => void pool.destroy();
  signal.addEventListener("abort", stop);
  try {
    const probes: ValidatorProbe[] = [];
    for (const template of probed(run.workload)) {
      const counts = noCounts();
      for (const request of differentUrls(template, run)) {
        await probeUrl(counts, asking(flights, pathPrefix, request));
        throwIfAborted(signal);
      }
      probes.push({ endpoint: template.name, ...counts });
    }
    return probes;
  } finally {
    clearInterval(timer);
    signal.removeEventListener("abort", stop);
    await pool.destroy();
  }
}

/** What stands alone, is safe, and is sent: by HTTP's own words a GET changes nothing. */
function probed({ requests, sessions = [] }: WorkloadDefinition): readonly RequestTemplate[] {
  const steps = sessions.flatMap((session) => {
    const captured = session.steps.flatMap(({ captures }) => captures.map(({ name }) => name));
    return session.steps
      .map(({ request }) => request)
      .filter((request) => captured.every((name) => !namesIn(request).has(name)));
  });
  return [...requests, ...steps]
    .filter(({ method, weight }) => method === "GET" && weight > 0)
    .slice(0, ENDPOINTS_MAX);
}

function differentUrls(
  template: RequestTemplate,
  { workload, data, seed, urlsEach = URLS_EACH }: ProbeRun,
): readonly GeneratedRequest[] {
  const { name, parameters } = workload;
  const alone = { name, parameters, requests: [{ ...template, weight: 1 }] };
  const next = requestSequence(alone, data, seed);
  const found = new Map<string, GeneratedRequest>();
  for (let draw = 0; draw < urlsEach * DRAWS_PER_URL && found.size < urlsEach; draw += 1) {
    const request = next();
    if (!found.has(request.path)) found.set(request.path, request);
  }
  return [...found.values()];
}

async function probeUrl(counts: Counts, ask: Ask): Promise<void> {
  counts.urls += 1;
  const plain = await ask({});
  if (plain?.status !== 200) return;
  counts.answered += 1;
  const byEtag = plain.headers["etag"] !== undefined;
  await askAgain(byEtag ? counts.etag : counts.modified, plain, ask, {});
  const gzip = { "accept-encoding": "gzip" };
  const packed = await ask(gzip);
  if (packed?.status !== 200) return;
  countGzip(counts.gzip, plain, packed);
  if (isCompressed(packed)) await askAgain(counts.gzip.etag, packed, ask, gzip);
}

/** With what the answer gave: its ETag, or without one its Last-Modified. */
async function askAgain(
  counts: Mutable<ConditionalFacts>,
  { headers, body }: Seen,
  ask: Ask,
  also: Readonly<Record<string, string>>,
): Promise<void> {
  const etag = oneHeader(headers["etag"]);
  const lastModified = etag === undefined ? oneHeader(headers["last-modified"]) : undefined;
  if (etag === undefined && lastModified === undefined) return;
  const again = await ask({ ...also, ...validatorHeaders({ etag, lastModified }) });
  if (again) countConditional(counts, again, body);
}

function countGzip(counts: Mutable<GzipProbe>, plain: Seen, packed: Seen): void {
  const before = counts.answered;
  counts.answered += 1;
  counts.plainBytes = (counts.plainBytes * before + plain.bytes) / counts.answered;
  counts.gzipBytes = (counts.gzipBytes * before + packed.bytes) / counts.answered;
  if (!isCompressed(packed)) return;
  counts.compressed += 1;
  const vary = (oneHeader(packed.headers["vary"]) ?? "").toLowerCase();
  if (!/\baccept-encoding\b|\*/.test(vary)) counts.withoutVary += 1;
  const etag = oneHeader(packed.headers["etag"]);
  const same = etag !== undefined && etag === oneHeader(plain.headers["etag"]);
  if (same && !isCompressed(plain) && !etag.startsWith("W/")) counts.sameStrongEtag += 1;
}

function isCompressed({ headers }: Seen): boolean {
  const encoding = oneHeader(headers["content-encoding"])?.trim().toLowerCase();
  return encoding !== undefined && encoding !== "" && encoding !== "identity";
}

/** Resolves with the answer, or undefined when none came. */
function asking(flights: Flights, pathPrefix: string, request: GeneratedRequest): Ask {
  const { endpoint, method, path, headers } = request;
  const own = Object.entries(headers);
  return (extra) =>
    new Promise((resolve) => {
      const kept = own.filter(([name]) => !(name.toLowerCase() in extra));
      let answered: Seen | undefined;
      flights.send(
        {
          method,
          path: pathPrefix + path,
          headers: { ...Object.fromEntries(kept), ...extra },
          body: null,
        },
        {
          endpoint,
          measured: false,
          dueAt: performance.now(),
          trace: undefined,
          hashBody: true,
          watch: (seen) => {
            answered = seen;
          },
          onEnd: () => resolve(answered),
        },
      );
    });
}

function noCounts(): Counts {
  return {
    urls: 0,
    answered: 0,
    etag: noConditional(),
    modified: noConditional(),
    gzip: {
      answered: 0,
      compressed: 0,
      withoutVary: 0,
      sameStrongEtag: 0,
      etag: noConditional(),
      plainBytes: 0,
      gzipBytes: 0,
    },
  };
}
