/** `perfopt history`: the series that `bench --append` kept, with their change points. */
import type { Command } from "commander";
import { PerfoptError } from "../core/errors.ts";
import type { SeriesKey } from "../core/history.ts";
import { metricNamed, sloShortNames } from "../core/slo.ts";
import { seriesOf } from "../decide/change-points-history.ts";
import { endpointMetrics } from "../decide/compare-endpoints.ts";
import { historyDocument } from "../report/history.ts";
import { readHistory } from "../results/history.ts";
import type { Context } from "./context.ts";
import { addFormatOptions, printDocument, type FormatOptions } from "./document.ts";
import { countOf } from "./load.ts";

interface HistoryOptions extends FormatOptions {
  readonly from: string;
  readonly metric: readonly string[];
  readonly last?: string;
  readonly changeMin: string;
}

const FROM = "perf-history.jsonl";
const METRICS = ["p50", "p95", "cpu", "db-cpu", "db.statementsPerRequest", "errors"];
/** Smaller changes of level can be proven in long series, and nobody acts on them. */
const CHANGE_MIN = "1%";
const LAST_MOST = 100_000;

export function addHistory(program: Command, context: Context): void {
  const command = program
    .command("history")
    .description("what `bench --append` kept: series by metric, and where their level changed")
    .option("--from <where>", "FILE.jsonl, git-branch:NAME or git-notes", FROM)
    .option(
      "--metric <names...>",
      "which series, such as p95, p95[search] or an id of docs/metrics.md",
      METRICS,
    )
    .option("--last <number>", "only the latest runs of each group")
    .option("--change-min <share>", "leave out smaller changes of level", CHANGE_MIN);
  addFormatOptions(command).action((options: HistoryOptions) => history(context, options));
  command.addHelpText(
    "after",
    `
Exit codes: 0 shown, whatever changed; 2 there is no such history.
A history informs; whether one change made a service slower is what perfopt gate decides.`,
  );
}

async function history(context: Context, options: HistoryOptions): Promise<void> {
  const request = {
    series: options.metric.flatMap((name) => name.split(",")).map(seriesNamed),
    changeMin: shareOf(options.changeMin),
    ...(options.last === undefined ? {} : { last: countOf("--last", options.last, 1, LAST_MOST) }),
  };
  const { records, problems } = await readHistory(options.from, context.directory);
  const shown = { where: options.from, groups: seriesOf(records, request), problems };
  printDocument(context, options, shown, historyDocument(shown));
}

/** `p95` or `p95[search]`. */
function seriesNamed(text: string): SeriesKey {
  const [, name = "", endpoint] = /^([^[\]]+)(?:\[([^\]]+)\])?$/.exec(text.trim()) ?? [];
  const metric = metricNamed(name);
  if (!metric) {
    throw new PerfoptError(
      "bad-input",
      `--metric: there is no metric "${text}"`,
      `use ${sloShortNames.join(", ")} or an id of docs/metrics.md, with [endpoint] for one endpoint`,
    );
  }
  if (endpoint === undefined) return { metric };
  if (endpointMetrics.includes(metric)) return { metric, endpoint };
  throw new PerfoptError(
    "bad-input",
    `--metric: ${name} is not known by endpoint`,
    "of an endpoint, p50, p95, p99 and errors are known",
  );
}

function shareOf(text: string): number {
  const match = /^(\d+(?:\.\d+)?)%$/.exec(text.trim());
  if (match) return Number(match[1]) / 100;
  throw new PerfoptError(
    "bad-input",
    `--change-min: "${text}" is not a share`,
    "write it as per cent, for example 2%",
  );
}
