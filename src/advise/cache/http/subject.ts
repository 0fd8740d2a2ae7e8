/** One endpoint as the audit sees it: what its answers said, how often they repeated, and what the probes showed. */
import type {
  ConditionalFacts,
  ResponseFacts,
  ResponseVariant,
  TraceEntry,
  ValidatorProbe,
} from "../../../core/sample.ts";

export interface Subject {
  readonly facts: ResponseFacts;
  /** The most frequent of status 200; undefined without any. */
  readonly variant: ResponseVariant | undefined;
  readonly requests: number;
  /** Of the answers with a body. */
  readonly bytesMean: number;
  /** Requests that had been sent before, of all. */
  readonly repeatedShare: number;
  /** Of those that repeated one, the ones with the same body as the last; undefined when none repeated. */
  readonly unchangedShare: number | undefined;
  readonly probe: ValidatorProbe | undefined;
}

interface Counts {
  requests: number;
  answers: number;
  bytes: number;
  repeated: number;
  compared: number;
  unchanged: number;
  /** By request, the last body; undefined where it is not known. */
  readonly last: Map<number, number | undefined>;
}

export function subjectsOf(
  responses: readonly ResponseFacts[],
  trace: readonly TraceEntry[],
  probes: readonly ValidatorProbe[],
): readonly Subject[] {
  const counts = new Map(responses.map((facts) => [endpointKey(facts), noCounts()] as const));
  for (const entry of trace) {
    const of = counts.get(endpointKey(entry));
    if (of) count(of, entry);
  }
  return responses.map((facts) => {
    const { requests, answers, bytes, repeated, compared, unchanged } =
      counts.get(endpointKey(facts)) ?? noCounts();
    return {
      facts,
      variant: facts.variants.find(({ status }) => status === 200),
      requests,
      bytesMean: answers === 0 ? 0 : bytes / answers,
      repeatedShare: requests === 0 ? 0 : repeated / requests,
      unchangedShare: compared === 0 ? undefined : unchanged / compared,
      probe: probes.find(({ endpoint }) => facts.method === "GET" && endpoint === facts.endpoint),
    };
  });
}

export function endpointKey({
  method,
  endpoint,
}: Pick<ResponseFacts, "method" | "endpoint">): string {
  return `${method} ${endpoint}`;
}

/** Of the probes and of the workload's own clients. */
export function conditionalOf({ facts, probe }: Subject): ConditionalFacts {
  const all = [facts.conditional, probe?.etag, probe?.modified];
  const sum = (of: (each: ConditionalFacts) => number) =>
    all.reduce((total, each) => total + (each ? of(each) : 0), 0);
  return {
    sent: sum(({ sent }) => sent),
    notModified: sum(({ notModified }) => notModified),
    ignored: sum(({ ignored }) => ignored),
    changed: sum(({ changed }) => changed),
  };
}

function count(counts: Counts, { key, status, body, responseBytes }: TraceEntry): void {
  counts.requests += 1;
  if (counts.last.has(key)) counts.repeated += 1;
  if (status === 200) {
    counts.answers += 1;
    counts.bytes += responseBytes;
  }
  const current = status === 200 || status === 304 ? body : undefined;
  const before = counts.last.get(key);
  if (current !== undefined && before !== undefined) {
    counts.compared += 1;
    if (current === before) counts.unchanged += 1;
  }
  counts.last.set(key, current ?? before);
}

function noCounts(): Counts {
  return {
    requests: 0,
    answers: 0,
    bytes: 0,
    repeated: 0,
    compared: 0,
    unchanged: 0,
    last: new Map(),
  };
}
