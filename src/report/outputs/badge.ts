/** A badge for a README: the JSON that shields.io's endpoint badge reads. */
import type { GateResult, GateVerdict } from "../../core/gate.ts";
import type { BenchResult } from "../../core/result.ts";
import { benchVerdict } from "../bench.ts";
import { formatMetric } from "../format.ts";
import { formatCount } from "../gate/words.ts";

const COLORS: Readonly<Record<GateVerdict, string>> = {
  pass: "brightgreen",
  fail: "red",
  inconclusive: "yellow",
  invalid: "lightgrey",
};

export function badgeJson(result: GateResult | BenchResult): string {
  const badge = result.schema === "perfopt-gate/v1" ? gateBadge(result) : benchBadge(result);
  return `${JSON.stringify({ schemaVersion: 1, ...badge }, null, 2)}\n`;
}

interface Badge {
  readonly label: string;
  readonly message: string;
  readonly color: string;
}

function gateBadge({ verdict }: GateResult): Badge {
  return { label: "performance", message: verdict, color: COLORS[verdict] };
}

/** A number where there is one: the most load that holds, else the 95th percentile. */
function benchBadge(result: BenchResult): Badge {
  const { limit, metrics, slos } = result;
  const verdict = benchVerdict(result);
  if (verdict === "invalid") return { label: "p95", message: verdict, color: COLORS[verdict] };
  const color = slos.length === 0 && verdict === "pass" ? "blue" : COLORS[verdict];
  if (limit?.holds !== undefined) {
    return { label: "holds", message: `${formatCount(limit.holds)} ${limit.unit}`, color };
  }
  const p95 = metrics["api.latencyP95Ms"]?.value;
  return { label: "p95", message: formatMetric("api.latencyP95Ms", p95), color };
}
