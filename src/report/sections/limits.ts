/** What this measurement cannot say, worked out from the run itself. */
import { metricOf } from "../../core/metric.ts";
import { significant } from "../../core/units.ts";
import { countOf, formatSetDuration, neat } from "../format.ts";
import { plain } from "../markdown-text.ts";
import type { Summary } from "../summary.ts";
import { readLoad } from "../windows.ts";
import { rateOf } from "./overload.ts";

export function limitsOf(summary: Summary): readonly string[] {
  return [
    sameMachine(summary),
    "Requests travel over the loopback interface: the network between your users, service and stores is not in these numbers, and a saved round trip is worth more there than here.",
    oneRate(summary),
    tail(summary),
    ...bulkWork(summary),
    ...expiry(summary),
    `Intervals cover the truth about 19 times in 20 when they say 95 %: of 20 metrics without any change, about one looks changed. Only the metric that a trial was decided by, and the persona's objectives in the confirmation, were chosen beforehand.`,
    "The permutation p assumes nothing about the shape of the noise and only checks the interval: with 5 pairs it cannot be under 0.063, with 7 not under 0.016, with 10 not under 0.002.",
    "Effects of single trials are against the incumbent of their time and do not add up; the trial that wins a search tends to overstate, which is why the headline is measured afresh.",
    "The confirmation compares the two states on this machine, with this data and this mix of requests; growth of the data, other mixes and longer times are not in it.",
    ...quick(summary),
  ];
}

function sameMachine({ start }: Summary): string {
  const { cores } = start.event.environment;
  return `The load generator and the service under test share this machine (${countOf(cores, "core")}), as do PostgreSQL and Redis where perfopt starts them. Processor time that one takes the others lack, so a change that saves processor time looks better here than on separate machines, and the best sizes of pools and workers are those of this machine.`;
}

function oneRate(summary: Summary): string {
  const { rate, capacity } = summary;
  if (!rate) return "The run ended before a rate was set.";
  const most = capacity.kept?.event.result.users
    ? "How many users the service carries was searched for apart from them, once before and once after: not paired, so a machine that changed in between is in that difference."
    : "How much load the service could take at most after the changes was not measured.";
  return `All windows run at one rate, ${significant(rate.event.requestsPerSecond)} requests/s${otherRates(summary)}. ${most}`;
}

/** Empty where there was no other. */
function otherRates({ phases }: Summary): string {
  const overloaded = phases.filter(
    ({ strategy, started }) => strategy?.overload !== undefined && started !== undefined,
  );
  if (overloaded.length === 0) return "";
  const each = overloaded.map((phase) => {
    const rate = rateOf(phase);
    return `${plain(phase.plan.title)}${rate === undefined ? "" : ` (${rate} requests/s)`}`;
  });
  return `, but for those of ${overloaded.length === 1 ? "the phase" : "the phases"} under overload: ${each.join(", ")}. What was proven there holds there; at the usual rate only the constraints and the confirmation speak of it, and of rates between the two nothing is known`;
}

function tail({ confirmBlock, noiseBlock }: Summary): string {
  const block = confirmBlock.pairs.length > 0 ? confirmBlock : noiseBlock;
  const requests = readLoad(block, "incumbent", (load) => load.requests)?.median;
  if (requests === undefined) return "How many requests a window holds was not measured.";
  const beyond = (quantile: number) => Math.floor(requests * (1 - quantile) + 1e-9);
  const p95 = metricOf("api.latencyP95Ms").title;
  return `A window holds about ${requests.toFixed(0)} requests: ${beyond(0.95)} lie beyond its p95, ${beyond(0.99)} beyond its p99, ${beyond(0.999)} beyond its p99.9. ${requests < 100 ? `**${p95} of so few is hardly more than the slowest request.**` : "What rests on fewer than 10 is little more than the slowest requests."}`;
}

/** Large pieces of work are few in a window, unlike requests. */
function bulkWork({ confirmBlock, noiseBlock }: Summary): readonly string[] {
  const block = confirmBlock.pairs.length > 0 ? confirmBlock : noiseBlock;
  const names = new Set(
    block.pairs.flatMap(({ incumbent }) =>
      (incumbent.sample.load.tasks ?? []).map(({ name }) => name),
    ),
  );
  const counts = [...names].flatMap((name) => {
    const done = readLoad(
      block,
      "incumbent",
      (load) => load.tasks?.find((task) => task.name === name)?.durationsMs.length,
    );
    return done ? [`${plain(name)} ${neat(significant(done.median))}`] : [];
  });
  if (counts.length === 0) return [];
  return [
    `Bulk work is done by one client, a few times a window (median: ${counts.join(", ")}): its figures are of so few executions, and of no more at a time.`,
  ];
}

/** Caches that live longer than a window never expire within it, so what expiry costs is not seen. */
function expiry({ net, knobs, start }: Summary): readonly string[] {
  const { windowMs, warmupMs } = start.event.persona.workload;
  const seenMs = windowMs + warmupMs;
  const values = {
    ...start.event.baselineValues,
    ...Object.fromEntries(net.knobs.map(({ knob, to }) => [knob, to])),
  };
  const longer = knobs.flatMap((knob) => {
    const value = values[knob.id];
    const isTtl = knob.role?.endsWith("-ttl") ?? false;
    return isTtl && knob.domain.kind === "duration" && typeof value === "number" && value > seenMs
      ? [`${plain(knob.id)} ${formatSetDuration(value)}`]
      : [];
  });
  if (longer.length === 0) return [];
  return [
    `A window with its warm-up lasts ${formatSetDuration(seenMs)}. Entries that live longer (${longer.join(", ")}) seldom expire within it: hit rates include what earlier windows stored, and what expiry costs is hardly seen.`,
  ];
}

function quick({ start }: Summary): readonly string[] {
  return start.event.quick
    ? [
        "This was a quick run: short windows and few pairs. Run it without `--quick` before relying on it.",
      ]
    : [];
}
