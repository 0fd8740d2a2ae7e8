/** Whether the trace is long enough to say anything, and where every number of the advice comes from. */
import type { CacheAdvice, Coverage, TraceFacts } from "../../core/cache-advice.ts";
import { countOf } from "../format.ts";
import { sentence } from "../markdown-text.ts";
import { clean, list, type Block } from "../outputs/document.ts";
import {
  formatCount,
  formatDistance,
  formatLength,
  formatProcesses,
  formatRate,
  formatShare,
  formatSize,
  formatTtl,
} from "./words.ts";

export function coverageBlocks({ coverage, trace }: CacheAdvice): readonly (Block | undefined)[] {
  return [
    {
      kind: "text",
      text: coverage.enough
        ? "Long enough for these predictions."
        : "Not long enough: take what is predicted here as a hint, and capture more.",
    },
    list([...lengthsInWords(trace, coverage), ...coverage.words.map(sentence)]),
  ];
}

function lengthsInWords({ lengthMs }: TraceFacts, coverage: Coverage): readonly string[] {
  const { evictionAgeMs, ttlMs, newKeyShareAtEnd } = coverage;
  const against = [
    ...(evictionAgeMs === undefined
      ? []
      : [`keys stay unread for about ${formatTtl(evictionAgeMs)} before they are evicted`]),
    ...(ttlMs === undefined ? [] : [`the longest common time to live is ${formatTtl(ttlMs)}`]),
  ];
  return [
    `The trace is ${formatLength(lengthMs)} long${against.length === 0 ? "" : `; ${against.join(", and ")}`}.`,
    `Of the gets of its last quarter, ${formatShare(newKeyShareAtEnd)} were the first of their key: what keeps coming.`,
  ];
}

export function howMeasured(advice: CacheAdvice): readonly string[] {
  const { trace } = advice;
  return [
    `Trace: ${clean(trace.source)}, ${formatCount(trace.rows)} rows, ${formatCount(trace.gets)} gets of ${formatCount(trace.keys)} keys in ${formatLength(trace.lengthMs)} (${formatRate(trace.getsPerSecond)}/s), ${formatProcesses(trace.processes)}. Only hashes of keys and their prefixes are known.`,
    trace.sampledShare < 1
      ? `It has ${formatShare(trace.sampledShare)} of the keys, chosen by hash; sizes and rates here are of the whole.`
      : "It has every key.",
    `All keys together would take ${formatSize(trace.workingSetBytes)} in the cache, entry overhead included, estimated.`,
    ...(trace.hitRateCaptured === undefined
      ? []
      : [
          `Hit rate while the trace was captured: ${formatShare(trace.hitRateCaptured)}, measured.`,
        ]),
    ...policiesInWords(advice),
    ...curveInWords(advice),
    "`--json` prints everything, every policy at every size too.",
  ];
}

function policiesInWords({ policies }: CacheAdvice): readonly string[] {
  if (policies.length === 0) return [];
  const least = Math.min(...policies.map(({ simulatedShare }) => simulatedShare));
  const worst = largest(policies.flatMap(({ error }) => error));
  const keys = least >= 1 ? "with every key" : `with ${formatShare(least)} of the keys at least`;
  return [
    `Policies: ${countOf(policies.length, "policy", "policies")} simulated as Redis evicts, ${keys}; bounds of up to ${formatDistance(worst)} either way (two standard errors and the model's own error).`,
  ];
}

function curveInWords({ curve }: CacheAdvice): readonly string[] {
  if (curve.sizes.length === 0) return [];
  if (curve.method === "exact") return ["Exact LRU curve: stack distances of every key."];
  const spread =
    curve.spread === undefined
      ? ""
      : `, which differ by up to ${formatDistance(largest(curve.spread))} either way`;
  return [
    `Exact LRU curve: stack distances of samples of the keys (${formatCount(curve.samples ?? 1)} of them)${spread}.`,
  ];
}

/** Of what is known. */
function largest(values: readonly number[]): number {
  return Math.max(...values.filter((value) => Number.isFinite(value)));
}
