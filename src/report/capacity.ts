/** How much the service carries, as the journal has it: before and after, what may be said of the difference, and the goals of it. */
import type { OverloadResult } from "../core/capacity.ts";
import type { Entry } from "../core/event.ts";
import type { CapacityObjective } from "../core/persona.ts";
import type { LimitResult } from "../core/result.ts";
import type { EffectReading } from "./effects.ts";
import { linesOf, type Line } from "./lines.ts";
import {
  statusOf,
  type GoalStatus,
  type ObjectiveResult,
  type UnpairedChange,
} from "./objectives.ts";
import { readingOf, type Reading } from "./windows.ts";

export type CapacityLine = Line<"capacity-measured">;

export interface CapacityLines {
  readonly baseline?: CapacityLine;
  /** Absent when nothing was kept: the service carries what its baseline does. */
  readonly kept?: CapacityLine;
}

export function capacityOf(entries: readonly Entry[]): CapacityLines {
  const lines = linesOf(entries, "capacity-measured");
  const baseline = lines.findLast(({ event }) => event.of === "baseline");
  const kept = lines.findLast(({ event }) => event.of === "kept");
  return { ...(baseline ? { baseline } : {}), ...(kept ? { kept } : {}) };
}

/** `basis`: as of the persona's other goals. What was not kept, or not confirmed, has no capacity of its own. */
export function judgeCapacity(
  objectives: readonly CapacityObjective[],
  { baseline, kept }: CapacityLines,
  basis: "confirm" | "undone" | "baseline" | "none",
): readonly ObjectiveResult[] {
  const after = { confirm: kept, undone: baseline, baseline, none: undefined }[basis];
  return objectives.map((objective) => judged(objective, baseline, after));
}

function judged(
  objective: CapacityObjective,
  baseline: CapacityLine | undefined,
  kept: CapacityLine | undefined,
): ObjectiveResult {
  const before = readingFor(objective, baseline);
  const after = kept === baseline ? before : readingFor(objective, kept);
  const { goal, stretch } = objective;
  return {
    objective,
    before,
    after,
    effect: undefined,
    statusBefore: goalStatus(objective, before, goal, baseline),
    status: goalStatus(objective, after, goal, kept),
    stretchStatus: stretch === undefined ? undefined : goalStatus(objective, after, stretch, kept),
    windowsMet: 0,
    windows: 0,
    unpaired: changeFor(objective, baseline, kept),
  };
}

function readingFor(
  { metric }: Pick<CapacityObjective, "metric">,
  line: CapacityLine | undefined,
): Reading | undefined {
  const result = line?.event.result;
  if (!line || !result) return undefined;
  if (metric === "api.usersSustained") return usersReading(result.users, line.seq);
  const value =
    metric === "queue.depthSustained"
      ? result.overload?.queueDepthMax
      : goodputShare(result.overload);
  return value === undefined ? undefined : readingOf([value], [line.seq]);
}

/** Good answers in time, of the peak that they are held against. Undefined where either is not known. */
export function goodputShare(overload: OverloadResult | undefined): number | undefined {
  return overload && overload.peakPerSecond > 0
    ? overload.goodputPerSecond / overload.peakPerSecond
    : undefined;
}

/** The most that held. Where one end of the bracket is missing, the other with words that say so. */
function usersReading(users: LimitResult | undefined, seq: number): Reading | undefined {
  const value = users?.holds ?? users?.breaks;
  const reading = value === undefined ? undefined : readingOf([value], [seq]);
  if (!users || !reading) return undefined;
  const isOpen = users.holds === undefined || users.breaks === undefined;
  return isOpen ? { ...reading, words: bracketWords(users) } : reading;
}

function goalStatus(
  objective: CapacityObjective,
  reading: Reading | undefined,
  goal: number,
  line: CapacityLine | undefined,
): GoalStatus {
  if (objective.metric === "api.usersSustained") return usersStatus(line?.event.result.users, goal);
  const status = statusOf(objective, reading, goal);
  return objective.metric === "queue.depthSustained"
    ? depthStatus(status, line?.event.result.overload)
    : status;
}

/** Met by what held. A search that never reached what breaks does not show that the goal is out of reach. */
function usersStatus(users: LimitResult | undefined, goal: number): GoalStatus {
  if (!users) return "not measured";
  const { holds, breaks } = users;
  if (holds !== undefined && holds >= goal) return "met";
  if (breaks === undefined) return "not measured";
  return holds !== undefined || breaks <= goal ? "missed" : "not measured";
}

/** A queue that is deep because nothing leaves it is no achievement: jobs have to have been served meanwhile, and none given up on. */
function depthStatus(status: GoalStatus, overload: OverloadResult | undefined): GoalStatus {
  if (status !== "met") return status;
  if (overload?.queueWaitP95Ms === undefined || overload.deadLetters === undefined)
    return "not measured";
  return overload.deadLetters === 0 ? "met" : "missed";
}

function changeFor(
  { metric }: CapacityObjective,
  baseline: CapacityLine | undefined,
  kept: CapacityLine | undefined,
): UnpairedChange {
  if (metric === "api.usersSustained") {
    const change = usersChange(baseline?.event.result.users, kept?.event.result.users);
    return change ?? { reading: "no change shown", words: "not measured before and after" };
  }
  const before = readingFor({ metric }, baseline);
  const after = readingFor({ metric }, kept);
  return {
    reading: "no change shown",
    words:
      before && after
        ? "one window each, which shows no difference"
        : "not measured before and after",
  };
}

/** Undefined when one of the two is missing. Only brackets that do not overlap show a difference. */
export function usersChange(
  before: LimitResult | undefined,
  after: LimitResult | undefined,
): UnpairedChange | undefined {
  if (!before || !after) return undefined;
  const reading = readingOfBrackets(before, after);
  const words = {
    better: "more, the brackets do not overlap",
    worse: "**fewer**, the brackets do not overlap",
    "no change shown": "the brackets overlap, so no difference is shown",
  }[reading];
  return { reading, words: `${bracketWords(before)}, then ${bracketWords(after)}: ${words}` };
}

function readingOfBrackets(before: LimitResult, after: LimitResult): EffectReading {
  const { holds: low = 0, breaks: high = Infinity } = before;
  const { holds = 0, breaks = Infinity } = after;
  if (holds >= high) return "better";
  return breaks <= low ? "worse" : "no change shown";
}

/** `180 to 188`: the most that held, and the fewest that did not. */
export function bracketWords({ holds, breaks }: LimitResult): string {
  if (holds === undefined) return breaks === undefined ? "no load was clear" : `under ${breaks}`;
  return breaks === undefined ? `${holds} or more` : `${holds} to ${breaks}`;
}
