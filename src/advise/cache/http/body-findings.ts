/** What HTTP caches cannot help with: reads by POST, and text that is sent as it is. */
import type { HttpFinding } from "../../../core/cache-advice.ts";
import type { ResponseVariant } from "../../../core/sample.ts";
import { formatBytes, formatRatio } from "../../../core/units.ts";
import type { Subject } from "./subject.ts";

/** A POST that reads is sent again with the same body, one that writes is not: from this share of repeats on it may be a read. */
const REPEATED_SHARE_OF_READS = 0.2;
const UNCHANGED_SHARE_OF_READS = 0.5;
/** What fits one packet of Ethernet does not come sooner by being smaller. */
const COMPRESSIBLE_BYTES_MIN = 1_400;
const TEXT =
  /^(?:text\/|application\/(?:json|javascript|xml|graphql|x-ndjson|[^/]+\+(?:json|xml))|image\/svg\+xml)/;

/** Of an endpoint that is no GET. */
export function postRead(subject: Subject): readonly HttpFinding[] {
  const { facts, variant, repeatedShare, unchangedShare } = subject;
  const reads =
    facts.method === "POST" &&
    variant !== undefined &&
    repeatedShare >= REPEATED_SHARE_OF_READS &&
    unchangedShare !== undefined &&
    unchangedShare >= UNCHANGED_SHARE_OF_READS;
  if (!reads) return [];
  return [
    {
      kind: "post-read",
      detail: `it looks like a read: ${formatRatio(repeatedShare)} of its requests repeat one with the same body, and ${formatRatio(unchangedShare)} of those got the same answer; no HTTP cache keeps answers to POST`,
      remedy:
        "if it only reads, offer it as GET with the search in the query, or keep its answers in a cache of the application",
    },
  ];
}

/** Said only where an answer to a request that takes gzip was seen. */
export function uncompressed(subject: Subject, variant: ResponseVariant): readonly HttpFinding[] {
  const { facts, probe, bytesMean } = subject;
  const { contentType = "", contentEncoding } = variant;
  if (!TEXT.test(contentType) || contentEncoding !== undefined) return [];
  const probed = probe !== undefined && probe.gzip.answered > 0;
  const asked = probed || (facts.samples > 0 && facts.sent.acceptEncoding >= facts.samples);
  const bytes = probed ? probe.gzip.plainBytes : bytesMean;
  if (!asked || (probed && probe.gzip.compressed > 0) || bytes < COMPRESSIBLE_BYTES_MIN) return [];
  return [
    {
      kind: "uncompressed",
      detail: `${contentType} of ${formatBytes(bytes)} on average is sent as it is to a client that takes gzip`,
      remedy:
        "compress it, in the service or at the proxy, with Vary: Accept-Encoding and an ETag of its own",
    },
  ];
}
