/** Section: how many users the service carries within the SLOs, and what it does under overload, before and after. */
import type {
  CapacityResult,
  OverloadPlan,
  OverloadResult,
  UsersPlan,
} from "../../core/capacity.ts";
import { formatQuantity, metricOf, type MetricId } from "../../core/metric.ts";
import type { LimitProbe, LimitResult } from "../../core/result.ts";
import { thinkInWords } from "../../core/think.ts";
import { formatDuration, formatRatio } from "../../core/units.ts";
import { bracketWords, goodputShare, usersChange, type CapacityLine } from "../capacity.ts";
import type { Chart } from "../charts/frame.ts";
import { cite, formatMetric, formatSetDuration, neat, NOT_MEASURED } from "../format.ts";
import { blocks, fold, list, plain, sentence, table } from "../markdown-text.ts";
import type { Summary } from "../summary.ts";

interface Measured {
  readonly title: string;
  readonly line: CapacityLine;
}

/** Undefined for a run whose persona asked for none. */
export function capacitySection(summary: Summary, charts: readonly Chart[]): string | undefined {
  const plan = summary.start.event.persona.capacity;
  if (!plan) return undefined;
  const all = measuredOf(summary);
  const unmeasured = all.flatMap(({ line }) => line.event.result.unmeasured ?? []);
  return blocks([
    introduction(summary, all),
    plan.users ? usersText(plan.users, all, charts) : undefined,
    plan.overload ? overloadText(plan.overload, all, summary) : undefined,
    unmeasured.length > 0
      ? `What could not be measured:\n\n${list(unmeasured.map((each) => sentence(plain(each))))}`
      : undefined,
  ]);
}

function measuredOf({ capacity }: Summary): readonly Measured[] {
  const { baseline, kept } = capacity;
  return [
    ...(baseline ? [{ title: "baseline", line: baseline }] : []),
    ...(kept ? [{ title: "everything kept", line: kept }] : []),
  ];
}

function introduction({ capacity, basis, warnings }: Summary, all: readonly Measured[]): string {
  if (all.length === 0) {
    const why = warnings
      .filter(({ event }) => event.message.startsWith("capacity:"))
      .map(({ seq, event }) => `${sentence(plain(event.message))} (${cite([seq])})`);
    return why.length > 0 ? why.join(" ") : `The run ended before it: ${NOT_MEASURED}.`;
  }
  const both =
    "Measured at the end of the run, once on the baseline and once on everything kept, each on fresh processes. **This is not paired**: minutes lie between the two, and a machine that changed meanwhile is in the difference. So there is no interval, and a difference counts as shown only where the two brackets do not overlap.";
  if (capacity.kept) return both;
  return basis === "baseline" || basis === "undone"
    ? "Measured once, on the baseline: nothing is kept, so before and after are the same."
    : "Measured on the baseline only; what was kept has no measurement of its own, and nothing is claimed of it.";
}

function usersText(
  { think, slos, windowMs }: UsersPlan,
  all: readonly Measured[],
  charts: readonly Chart[],
): string {
  const found = all.flatMap(({ title, line }) => {
    const { users } = line.event.result;
    return users ? [{ title, line, users }] : [];
  });
  const chart = charts.find(({ file }) => file.startsWith("capacity-"));
  const [before, after] = all.map(({ line }) => line.event.result.users);
  const change = usersChange(before, after);
  return blocks([
    "### Users within the SLO",
    `Concurrent users who each send a request, wait for the answer, and think, with ${plain(neat(thinkInWords(think)))}. All of ${slos.map(({ text }) => plain(text)).join(", ")} have to hold. Windows of ${formatSetDuration(windowMs)}; the load that holds was measured again for longer. How the search decides, and how often it is right, is in docs/limit.md.`,
    found.length === 0
      ? `${NOT_MEASURED.replace("n", "N")}.`
      : table(
          [
            "configuration",
            "bracket: held to did not hold",
            "best guess",
            "loads tried",
            "in words",
            "source",
          ],
          found.map(({ title, line, users }) => [
            title,
            bracketWords(users),
            String(Math.round(users.estimate)),
            String(users.probes.length),
            plain(users.detail),
            cite([line.seq]),
          ]),
        ),
    change ? `Users: ${change.words}.` : undefined,
    chart ? `Picture: [${chart.file}](${chart.file})` : undefined,
    found.length > 0
      ? fold(
          "Every load that was tried",
          table(
            ["configuration", "users", "outcome", "API p95", "error rate", "decided by"],
            found.flatMap(({ title, users }) => probeRows(title, users)),
          ),
        )
      : undefined,
  ]);
}

function probeRows(title: string, { probes }: LimitResult): readonly (readonly string[])[] {
  return probes
    .toSorted((a, b) => a.load - b.load)
    .map((probe) => [
      title,
      String(probe.load),
      probe.outcome,
      metricAt(probe, "api.latencyP95Ms"),
      metricAt(probe, "api.errorRate"),
      plain(probe.why),
    ]);
}

function metricAt({ metrics }: LimitProbe, metric: MetricId): string {
  return formatMetric(metric, metrics[metric]);
}

interface Row {
  readonly title: string;
  readonly of: (result: OverloadResult) => string | undefined;
  /** Left out where no window has it. */
  readonly optional?: true;
}

const perSecond = (value: number) => formatQuantity("per-second", value);

const GOODPUT_IN_TIME = "goodput: good answers in time";

const ROWS: readonly Row[] = [
  { title: "requests/s offered", of: (each) => perSecond(each.requestsPerSecondOffered) },
  { title: "peak: what a closed loop gets through", of: (each) => perSecond(each.peakPerSecond) },
  { title: GOODPUT_IN_TIME, of: (each) => perSecond(each.goodputPerSecond) },
  {
    title: "goodput over peak",
    of: (each) => {
      const share = goodputShare(each);
      return share === undefined ? undefined : formatRatio(share);
    },
  },
  {
    title: "good answers that came later, of all requests",
    of: ({ lateShare }) => (lateShare === undefined ? undefined : formatRatio(lateShare)),
    optional: true,
  },
  { title: "rejected (429 and 503)", of: (each) => formatRatio(each.rejectedShare) },
  { title: "failed (timeouts, errors, never sent)", of: (each) => formatRatio(each.failedShare) },
  { title: "API p95, rejects included", of: (each) => formatDuration(each.latencyP95Ms) },
  { title: metricOf("queue.depthMax").title, of: (each) => depth(each.queueDepthMax) },
  {
    title: metricOf("queue.waitP95Ms").title,
    of: (each) =>
      each.queueWaitP95Ms === undefined ? undefined : formatDuration(each.queueWaitP95Ms),
  },
  { title: metricOf("queue.deadLetters").title, of: (each) => depth(each.deadLetters) },
];

function overloadText(
  { factor, windowMs }: OverloadPlan,
  all: readonly Measured[],
  { start }: Summary,
): string {
  const found = all.filter(({ line }) => line.event.result.overload);
  const seqs = found.map(({ line }) => line.seq);
  const goals = start.event.persona.capacityObjectives?.map(({ metric }) => metric) ?? [];
  return blocks([
    "### Overload",
    `${factor} times what a closed loop got through on the baseline, for ${formatSetDuration(windowMs)}, at the same rate before and after. Such a window is meant to be too much: what counts is how much of the peak the service still delivers, and whether it says no to the rest instead of letting it time out.`,
    found.length === 0
      ? `${NOT_MEASURED.replace("n", "N")}.`
      : table(
          ["", ...found.map(({ title }) => title)],
          ROWS.filter((row) => isShown(row, found)).map(({ title, of }) => [
            title === GOODPUT_IN_TIME ? goodputTitle(found) : title,
            ...found.map(({ line }) => overloadCell(line.event.result, of)),
          ]),
        ),
    found.length === 0
      ? undefined
      : `One window each (${cite(seqs)}), so small differences mean nothing.`,
    ...found.map(({ title, line }) => doubtsText(title, line.event.result)),
    goals.includes("api.goodputUnderOverload") ? GOODPUT_MEANING : undefined,
    goals.includes("queue.depthSustained") ? DEPTH_MEANING : undefined,
  ]);
}

function isShown({ of, optional }: Row, found: readonly Measured[]): boolean {
  return (
    optional !== true ||
    found.some(({ line: { event } }) => event.result.overload && of(event.result.overload))
  );
}

/** What in time means, where all of the windows mean the same. */
function goodputTitle(found: readonly Measured[]): string {
  const limits = [...new Set(found.map(({ line }) => line.event.result.overload?.withinMs))];
  const [limit] = limits;
  return limits.length === 1 && limit !== undefined
    ? `goodput: good answers, complete within ${formatSetDuration(limit)} of being due`
    : GOODPUT_IN_TIME;
}

const GOODPUT_MEANING =
  "The goal of goodput under overload is met when the good answers in time come to that share of the peak, which is what the same configuration completes in a closed loop right before, or the baseline where that was more. It is of one window before and one after, not of pairs, so that it says what was seen, and no difference of the two counts as shown. What a change does to it is proven, where a phase has its windows under overload, in that phase's own pairs.";

const DEPTH_MEANING =
  "The goal of jobs waiting under overload is met when that many accepted jobs waited at once, jobs were served meanwhile (their wait was measured), and none of them was given up on in the window. It says that the queue carries such a backlog, not that the backlog is good: each of these jobs waits its turn.";

function overloadCell({ overload }: CapacityResult, of: Row["of"]): string {
  return (overload && of(overload)) ?? NOT_MEASURED;
}

function depth(value: number | undefined): string | undefined {
  return value === undefined ? undefined : formatQuantity("count", value);
}

function doubtsText(title: string, { overload }: CapacityResult): string | undefined {
  if (!overload?.doubts) return undefined;
  return `**The overload of the ${title === "baseline" ? title : "kept configuration"} may not have been produced as asked**: ${overload.doubts.map((each) => plain(each)).join("; ")}. The service may have been asked for less than was meant.`;
}
