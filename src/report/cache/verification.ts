/** The trace played against a real server: what was predicted beside what was measured. */
import type { CacheAdvice, CacheVerification } from "../../core/cache-advice.ts";
import { ended } from "../advice/words.ts";
import { countOf } from "../format.ts";
import { sentence } from "../markdown-text.ts";
import { clean, list, table, type Block } from "../outputs/document.ts";
import { formatDistance, formatMemory, formatShare } from "./words.ts";

const WIDTHS = [10, 16, 10, 10, 12, 8];

/** For the lead: whether anything of it was measured. */
export function provenInWords({ verification }: CacheAdvice): string {
  if (verification === undefined || verification.results.length === 0)
    return "Predicted by simulating the trace, not measured: `--verify` plays it against a real server.";
  const { results, serverVersion } = verification;
  const held = results.filter(({ ok }) => ok).length;
  return `Measured by playing the trace against Redis ${clean(serverVersion)}: ${held} of ${countOf(results.length, "prediction")} held, the largest difference ${formatDistance(largestDifference(results))}.`;
}

export function verificationBlocks({ verification }: CacheAdvice): readonly (Block | undefined)[] {
  if (verification === undefined || verification.results.length === 0) return [];
  const { design, serverVersion, results } = verification;
  return [
    {
      kind: "text",
      text: `${sentence(design)} Server: Redis ${clean(serverVersion)}.`,
    },
    table(
      ["memory", "policy", "predicted", "measured", "difference", "held"],
      results.map(({ maxmemoryBytes, policy, predicted, measured, ok }) => [
        formatMemory(maxmemoryBytes),
        policy,
        formatShare(predicted),
        formatShare(measured),
        formatDistance(measured - predicted),
        ok ? { text: "yes", tone: "good" } : { text: "no", tone: "bad" },
      ]),
      WIDTHS,
    ),
    list(
      results.flatMap(({ maxmemoryBytes, policy, ok, note }) =>
        note === undefined
          ? ok
            ? []
            : [
                `${formatMemory(maxmemoryBytes)}, ${policy}: outside what was promised, and nothing says why.`,
              ]
          : [`${formatMemory(maxmemoryBytes)}, ${policy}: ${ended(note)}`],
      ),
    ),
  ];
}

function largestDifference(results: CacheVerification["results"]): number {
  return Math.max(...results.map(({ predicted, measured }) => Math.abs(measured - predicted)));
}
