/** What a browser or a cache at the edge could keep, endpoint by endpoint: as the headers are, and what to send instead. */
import type { CacheAdvice, HttpAudit, HttpEndpoint } from "../../core/cache-advice.ts";
import { ended } from "../advice/words.ts";
import { sentence } from "../markdown-text.ts";
import { countOf } from "../format.ts";
import { list, table, type Block, type Cell } from "../outputs/document.ts";
import { formatCount, formatSize, formatShare, formatTtl, nameOf } from "./words.ts";

/** What makes tables of 80 columns. */
const WIDTHS = [15, 8, 7, 11, 11, 9];
const EDGE_WIDTHS = [24, 18, 12, 12];
const ENDPOINTS_MOST = 16;

export function httpBlocks({ http }: CacheAdvice): readonly (Block | undefined)[] {
  if (http === undefined) return [];
  const ranked = http.endpoints.toSorted((a, b) => b.requests - a.requests);
  const shown = ranked.slice(0, ENDPOINTS_MOST);
  return [
    list([
      `${formatCount(http.requests)} requests looked at. A shared cache at the edge would answer ${formatShare(http.edgeHitRateNow)} of them as the headers are now, estimated from the trace.`,
      ...http.words.map(sentence),
    ]),
    table(
      ["endpoint", "requests", "bytes", "edge", "browser", "unchanged"],
      shown.map(rowOf),
      WIDTHS,
    ),
    ranked.length > shown.length
      ? {
          kind: "text",
          text: `${countOf(ranked.length - shown.length, "more endpoint")} in --json.`,
        }
      : undefined,
    list(shown.flatMap(findingsInWords)),
    edgeTable(http),
    http.edge.length === 0
      ? undefined
      : {
          kind: "text",
          text: "Estimated from the trace, without bounds: had everything that may be shared been sent with that max-age. Stale: answers that had changed meanwhile.",
        },
  ];
}

function rowOf(endpoint: HttpEndpoint): readonly Cell[] {
  return [
    { text: titleOf(endpoint), code: true },
    formatCount(endpoint.requests),
    formatSize(endpoint.bytesMean),
    endpoint.edge,
    endpoint.browser,
    endpoint.unchangedShare === undefined ? "" : formatShare(endpoint.unchangedShare),
  ];
}

function titleOf({ method, name }: HttpEndpoint): string {
  return nameOf(`${method} ${name}`);
}

/** Why it is as it is, then each finding with its remedy. */
function findingsInWords(endpoint: HttpEndpoint): readonly string[] {
  const { because, findings, edge, browser } = endpoint;
  if (findings.length === 0 && edge === "stored" && browser === "stored") return [];
  const head = `${inCode(titleOf(endpoint))}:`;
  return [
    `${head} ${ended(because)}`,
    ...findings.map(({ detail, remedy }) => `${head} ${ended(detail)} Remedy: ${ended(remedy)}`),
  ];
}

function inCode(name: string): string {
  return `\`${name.replaceAll("`", "'")}\``;
}

function edgeTable({ edge, edgeHitRateNow }: HttpAudit): Block | undefined {
  if (edge.length === 0) return undefined;
  return table(
    ["max-age", "answered at the edge", "stale", "memory"],
    [
      ["as the headers are now", formatShare(edgeHitRateNow), "", ""],
      ...edge
        .toSorted((a, b) => a.ttlMs - b.ttlMs)
        .map(({ ttlMs, hitRate, staleShare, bytes }) => [
          formatTtl(ttlMs),
          formatShare(hitRate),
          formatShare(staleShare),
          formatSize(bytes),
        ]),
    ],
    EDGE_WIDTHS,
  );
}
