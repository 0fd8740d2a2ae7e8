/** The gate: by simulation over many thousand runs, then live on the bundled registry with regressions planted in copies of it. */
import { metricOf } from "../src/core/metric.ts";
import { formatChange, formatDuration } from "../src/core/units.ts";
import { liveRows, type LiveRow } from "./gate/live.ts";
import { run as simulate } from "./gate-simulation.ts";
import type { Acceptance, BenchOptions, BenchResult } from "./run.ts";

const LIVE_HEAD = ["live", "wanted", "got", "because", "pairs", "took"] as const;

export async function run(options: BenchOptions): Promise<BenchResult> {
  const simulated = await simulate(options);
  const live = await liveRows(options);
  return {
    title: `${simulated.title}\n\nThen the gate itself, on the bundled registry against copies of it (last rows).`,
    head: simulated.head,
    rows: [...simulated.rows, LIVE_HEAD.map((cell) => cell.toUpperCase()), ...live.map(cellsOf)],
    acceptance: [...simulated.acceptance, ...live.map(acceptanceOf)],
  };
}

function cellsOf({ planted, wanted, result }: LiveRow): readonly string[] {
  return [
    planted,
    wanted,
    result.verdict,
    because(result),
    String(result.windows.length / 2),
    formatDuration(result.tookMs),
  ];
}

/** Of every metric what was found, in one cell; counters alone where they decided. */
function because({ counters, metrics }: LiveRow["result"]): string {
  const grew = counters?.findings.filter(({ kind }) => kind === "regression") ?? [];
  const trials = metrics.map(({ metric, verdict, effect }) => {
    const found = effect ? ` ${formatChange(effect.estimate)}` : "";
    return `${metricOf(metric).title}${found} ${verdict}`;
  });
  return [`${grew.length} counters grew`, ...trials].join(", ");
}

function acceptanceOf({ planted, wanted, result, ok }: LiveRow): Acceptance {
  return {
    what: `live, planted: ${planted}`,
    value: `${result.verdict} (${because(result)})`,
    goal: wanted,
    ok,
  };
}
