/** The cache advisor's answer as a document: what to set and what it is predicted to do, the ceiling, where misses come from, and what is not known. */
import type { CacheAdvice, CacheChoice } from "../../core/cache-advice.ts";
import { ended } from "../advice/words.ts";
import { sentence } from "../markdown-text.ts";
import {
  list,
  section,
  shortened,
  type Document,
  type Marked,
  type Section,
} from "../outputs/document.ts";
import { COMMENT_LIMIT, renderDocument } from "../outputs/markdown.ts";
import { ceilingBlocks, moverTitle, raisesCeiling } from "./ceiling.ts";
import { comparedBlocks, loadsSavedInWords } from "./choices.ts";
import { coverageBlocks, howMeasured } from "./coverage.ts";
import { httpBlocks } from "./http.ts";
import { memoryBlocks } from "./memory.ts";
import { paretoBlocks, policyBlocks } from "./pareto.ts";
import { prefixBlocks } from "./prefixes.ts";
import { tierBlocks, warmUpBlocks } from "./tiers.ts";
import { ttlBlocks } from "./ttl.ts";
import { provenInWords, verificationBlocks } from "./verification.ts";
import { choiceInWords, formatBounded, formatDistance, formatRate, formatShare } from "./words.ts";

const SOURCE_CHARACTERS = 80;
const HEADLINE_CHARACTERS = 300;

export function cacheAdviceDocument(advice: CacheAdvice): Document {
  const ceiling = section("The ceiling, and what would move it", "open", ceilingBlocks(advice));
  const beyond = advice.verdict === "above-ceiling";
  return {
    kind: "cache-advice",
    name: shortened(advice.trace.source, SOURCE_CHARACTERS),
    title: "perfopt advise cache",
    word: WORDS[advice.verdict],
    headline: shortened(advice.headline, HEADLINE_CHARACTERS),
    lead: [list(summaryOf(advice))].filter((each) => each !== undefined),
    sections: [
      ...(beyond ? ceiling : []),
      ...choiceSections(advice),
      ...(beyond ? [] : ceiling),
      ...section("Prefixes", "open", prefixBlocks(advice)),
      ...section("Times to live", "open", ttlBlocks(advice)),
      ...section("In-process cache before Redis", "open", tierBlocks(advice)),
      ...section("Warm-up", "open", warmUpBlocks(advice)),
      ...section("Memory", "open", memoryBlocks(advice)),
      ...section("Caches between the service and its users", "open", httpBlocks(advice)),
      ...section("Predicted against measured", "open", verificationBlocks(advice)),
      ...section("What the trace covers", "open", coverageBlocks(advice)),
      ...section("Not taken into account", "open", [list(advice.caveats.map(sentence))]),
      ...section("How this was measured", "folded", [list(howMeasured(advice))]),
      ...section("Hit rate by memory and policy", "long", policyBlocks(advice)),
    ],
  };
}

/** For a comment on a pull request. */
export function cacheAdviceMarkdown(advice: CacheAdvice): string {
  // The beginning always fits: its name, headline and few sentences are all shortened.
  return renderDocument(cacheAdviceDocument(advice), COMMENT_LIMIT) ?? "";
}

const WORDS: Readonly<Record<CacheAdvice["verdict"], Marked>> = {
  met: { text: "GOAL MET", tone: "good" },
  reachable: { text: "GOAL REACHABLE", tone: "good" },
  "above-ceiling": { text: "GOAL ABOVE THE CEILING", tone: "bad" },
  "no-goal": { text: "NO GOAL GIVEN", tone: "plain" },
  "not-shown": { text: "GOAL NOT SHOWN", tone: "warn" },
};

function choiceSections(advice: CacheAdvice): readonly Section[] {
  const { present, recommended, reasons } = advice;
  const title =
    present === undefined
      ? "Recommended"
      : recommended === undefined
        ? "At present"
        : "Present against recommended";
  return [
    ...section(title, "open", comparedBlocks(advice)),
    ...section("Why", "open", [list(reasons.map(ended))]),
    ...section("Memory against hit rate", "open", paretoBlocks(advice)),
  ];
}

/** For a reader with one minute. */
function summaryOf(advice: CacheAdvice): readonly string[] {
  const { present, recommended, coverage } = advice;
  return [
    ceilingInWords(advice),
    ...(recommended === undefined ? [] : [`Recommended: ${predictedInWords(recommended)}.`]),
    ...(present === undefined ? [] : [`At present: ${predictedInWords(present)}.`]),
    ...loadsSavedInWords(advice),
    provenInWords(advice),
    ...(coverage.enough
      ? []
      : [
          `The trace is too short to rely on this: ${sentence(coverage.words[0] ?? "see what it covers")}`,
        ]),
  ];
}

function ceilingInWords({ goal, ceiling, movers, verdict }: CacheAdvice): string {
  const most = `${formatShare(ceiling.hitRate)} is the most that any amount of memory reaches with the times to live and invalidation of the trace`;
  if (goal === undefined) return `Ceiling: ${most}.`;
  const wanted = `Goal: a hit rate of at least ${formatShare(goal.hitRate)} (${goal.from})`;
  if (verdict !== "above-ceiling") return `${wanted}. Ceiling: ${most}.`;
  const moving = movers.flatMap((mover) =>
    mover.gain === undefined || !raisesCeiling(mover)
      ? []
      : [`${moverTitle(mover)} (about ${formatDistance(mover.gain)})`],
  );
  const moved =
    moving.length === 0
      ? "nothing that was looked at would move it"
      : `what would move it, estimated: ${moving.slice(0, 3).join(", ")}`;
  return `${wanted}, ${formatDistance(goal.hitRate - ceiling.hitRate)} above the ceiling: ${most}; ${moved}.`;
}

function predictedInWords(choice: CacheChoice): string {
  const stale =
    choice.staleShare === undefined ? "" : `, stale reads ${formatShare(choice.staleShare)}`;
  return `${choiceInWords(choice)}: hit rate ${formatBounded(choice)} predicted, ${formatRate(choice.loadsPerSecond)} loads of the database a second${stale}`;
}
