/** Aggregate indexes: indexes for analysts' queries, then statistics where the planner is far off, then its settings; other structures as plans. */
import { observeAggregates, type AggregateObservation } from "../advise/aggregates/observe.ts";
import { indexTrials, type IndexTrial } from "../advise/indexes/trials.ts";
import { settingRoles, type SettingIdea } from "../advise/planner-settings/idea.ts";
import type { ProposedStatistics } from "../advise/statistics/propose.ts";
import type { Change } from "../core/knob.ts";
import type { Ask, KnobReading, Past, Step } from "../core/observation.ts";
import { createStatisticsSql, describeStatistics } from "../core/statistics-definition.ts";
import type { StructureAdvice } from "../core/structure.ts";
import { formatBytes, significant } from "../core/units.ts";
import { done, erase, propose, setKnob, trialsOf, wasTried } from "./tuner.ts";

export const aggregateIndexes = erase<AggregateObservation>({
  id: "aggregate-indexes",
  title: "Indexes, statistics and planner settings for aggregates",
  rationale:
    "An index helps an aggregate when it holds all that the aggregate reads, in its order or by ranges; statistics on columns that depend on each " +
    "other help where the planner expects ten times too few or too many rows; settings tell it what memory there is. They cannot help a query " +
    "that has to read most of a large table each time: for that a summary or partitions are proposed as a plan, and never applied. " +
    "PostgreSQL has no index hints, and these settings are their honest equivalent.",
  roles: settingRoles,
  observe: (view, how) => observeAggregates(view, how?.again),
  next,
});

const MB = 1024 ** 2;

/** Of a phase's candidates, so that statistics and settings have their turn. */
const INDEX_TRIALS = 2;

function next(ask: Ask<AggregateObservation>): Step {
  const { observation, history, candidatesMax } = ask;
  const trials = trialsOf(history);
  const untried = (wanted: readonly IndexTrial[]): readonly IndexTrial[] =>
    wanted.filter(({ changes }) => changes.length > 0 && !wasTried(history, changes));
  const indexes = indexTrials(observation.indexes, indexesKept(history));
  const others = untried([...statisticsTrial(observation), ...settingTrials(observation)]);
  const [index] = typeof indexes === "string" ? [] : untried(indexes);
  const room = candidatesMax - trials.length;
  if (room <= 0) return done(`the candidates are used up. ${summaryOf(observation, indexes)}`);
  const indexTrialsMade = trials.filter(({ candidate }) => changesIndexes(candidate)).length;
  const isIndexTurn = indexTrialsMade < INDEX_TRIALS || room > others.length;
  const wanted = index && isIndexTurn ? index : others[0];
  if (wanted) return propose("aggregate-indexes", history, wanted);
  return done(summaryOf(observation, indexes));
}

function changesIndexes({ changes }: { readonly changes: readonly Change[] }): boolean {
  return changes.some(({ kind }) => kind === "create-index");
}

function indexesKept(history: readonly Past[]): boolean {
  return trialsOf(history).some(
    ({ candidate, decision }) => decision.verdict === "keep" && changesIndexes(candidate),
  );
}

/** All of them at once: what each is worth alone the planner cannot say before they are there. */
function statisticsTrial({ statistics }: AggregateObservation): readonly IndexTrial[] {
  const { proposed } = statistics;
  if (proposed.length === 0) return [];
  const names = proposed.map((each) => describeStatistics(each.statistics)).join(", ");
  return [
    {
      hypothesis: `with extended statistics on ${names} the planner expects the right number of rows, and chooses better plans`,
      changes: proposed.map((each): Change => ({
        kind: "create-statistics",
        statistics: each.statistics,
      })),
      evidence: [
        ...proposed.map(describeProposed),
        "what that gains is not known before: estimates can only be asked for where the statistics are",
      ],
    },
  ];
}

function describeProposed({ statistics, because, statements }: ProposedStatistics): string {
  const where = statements.length === 1 ? "a statement" : `${statements.length} statements`;
  return `${because}; in ${where} of the window: ${createStatisticsSql(statistics)}`;
}

function settingTrials({ settings, knobs }: AggregateObservation): readonly IndexTrial[] {
  return settings.ideas.flatMap((idea) => {
    const change = changeOf(idea, knobs);
    if (!change) return [];
    const { hypothesis, evidence } = idea;
    if (change.to === idea.to) return [{ hypothesis, changes: [change], evidence }];
    const { to } = change;
    const most = typeof to === "number" && to > MB ? formatBytes(to) : String(to);
    return [
      {
        hypothesis: `${hypothesis}; the knob ends at ${most}, which is tried`,
        changes: [change],
        evidence,
      },
    ];
  });
}

function changeOf(
  idea: SettingIdea,
  knobs: readonly KnobReading[],
): Extract<Change, { kind: "set-knob" }> | undefined {
  const reading = knobs.find(({ knob }) => knob.role === idea.role);
  if (!reading) return undefined;
  if (typeof idea.to === "number") return setKnob(reading, idea.to);
  if (idea.to === reading.value) return undefined;
  return { kind: "set-knob", knob: reading.knob.id, from: reading.value, to: idea.to };
}

const REASONS_SHOWN = 4;

/** What was found, what was not worth a trial, and why. */
function summaryOf(
  observation: AggregateObservation,
  indexes: readonly IndexTrial[] | string,
): string {
  const { executed, settings, knobs, structures } = observation;
  const missing = settingRoles.filter((role) => !knobs.some(({ knob }) => knob.role === role));
  const parts = [
    typeof indexes === "string" ? indexes : "the proposed indexes were tried",
    statisticsSummary(observation),
    ...settings.notWorth,
    ...(missing.length > 0
      ? [`no knob has the role ${missing.join(" or ")}, so that no such setting is tried`]
      : []),
    ...(executed.skipped.length > 0 ? [`not executed: ${some(executed.skipped)}`] : []),
    ...(structures ? structuresSummary(structures) : []),
  ];
  return parts.map((part) => part.replace(/\.$/, "")).join(". ");
}

function statisticsSummary({ executed, statistics }: AggregateObservation): string {
  if (executed.count === 0) return "no statement was executed, so that no estimate was checked";
  const { proposed, remarks } = statistics;
  if (proposed.length + remarks.length === 0) {
    return `in ${executed.count} executed statements no estimate was off by ten times`;
  }
  const left = remarks.map(({ detail }) => detail);
  const tried =
    proposed.length > 0
      ? "statistics were proposed where several columns of a table explain a wrong estimate"
      : "no extended statistics would mend the wrong estimates";
  return left.length > 0 ? `${tried}; estimates that they do not mend: ${some(left)}` : tried;
}

function some(texts: readonly string[]): string {
  const more = texts.length - REASONS_SHOWN;
  return `${texts.slice(0, REASONS_SHOWN).join("; ")}${more > 0 ? `; and ${more} more` : ""}`;
}

/** Only told: whoever answers for the data decides. */
function structuresSummary({ plans, proofs }: StructureAdvice): readonly string[] {
  if (plans.length === 0) return [];
  const titles = plans.map(({ id, title }) => {
    const outcome = proofs?.find(({ plan }) => plan === id)?.outcome;
    if (!outcome) return title;
    if (outcome.kind === "failed") return `${title} (not proven on a copy: ${outcome.because})`;
    const measured = outcome.rewrites.map(
      ({ ratio, sameRows }) =>
        `${significant(ratio.estimate)} of the time, ${significant(ratio.low)} to ${significant(ratio.high)}${sameRows ? "" : ", but other rows"}`,
    );
    return `${title} (on a copy: ${measured.join("; ")})`;
  });
  return [`plans for another structure, which nothing applies by itself: ${some(titles)}`];
}
