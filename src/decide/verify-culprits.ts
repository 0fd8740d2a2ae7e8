/** Which of the proposed indexes makes a statement slower: the one without which it is not. */
import type { VerifyStand, VerifyStatement } from "../core/verification.ts";
import { factorInWords, isRegression, looksSlower } from "./verify-verdicts.ts";
import { comparePairs, pooled, type Outcome, type PairRules } from "./verify-pairs.ts";

export type Found =
  /** Measured afresh, and longer, it is not proven to be slower: among many statements some look so by chance. */
  | { readonly kind: "not slower"; readonly outcome: Outcome }
  | { readonly kind: "found"; readonly name: string; readonly because: string };

/** So often the pairs are added to while a statement looks slower and is not proven to be. */
const LOOKS = 3;

const NOT_MEASURED: Outcome = { kind: "failed", because: "it was not measured" };

/** `reads`: what its plan reads; `kept`: all that are visible. */
export async function findCulprit(
  stand: VerifyStand,
  statement: VerifyStatement,
  reads: readonly string[],
  kept: readonly string[],
  rules: PairRules & { readonly regressionMax: number },
  block: string,
): Promise<Found> {
  const compare = async (base: readonly string[], what: string): Promise<Outcome> => {
    let outcome: Outcome | undefined;
    for (let look = 1; look <= LOOKS; look += 1) {
      const comparison = { statement, base, candidate: kept };
      const longer = { ...rules, pairs: rules.pairs * look };
      const outcomes = await comparePairs(stand, [comparison], longer, `${block} ${what} ${look}`);
      const later = outcomes.get(statement.id) ?? NOT_MEASURED;
      outcome = outcome ? pooled(outcome, later, rules.confidence) : later;
      if (isClear(outcome, rules.regressionMax)) break;
    }
    return outcome ?? NOT_MEASURED;
  };
  const again = await compare([], "again");
  if (!isRegression(again, rules.regressionMax) || reads.length === 0) {
    return { kind: "not slower", outcome: again };
  }
  let guilty:
    | { readonly name: string; readonly guilt: number; readonly outcome: Outcome }
    | undefined;
  for (const name of reads) {
    const outcome = await compare(
      kept.filter((each) => each !== name),
      `without ${name}`,
    );
    const guilt = guiltOf(outcome);
    if (!guilty || guilt > guilty.guilt) guilty = { name, guilt, outcome };
  }
  if (!guilty) return { kind: "not slower", outcome: again };
  return { kind: "found", name: guilty.name, because: becauseOf(statement, again, guilty.outcome) };
}

function isClear(outcome: Outcome, regressionMax: number): boolean {
  return isRegression(outcome, regressionMax) || !looksSlower(outcome, regressionMax);
}

/** How much slower with it than without it, proven if possible: what is proven comes before what only looks so. */
function guiltOf(outcome: Outcome): number {
  if (outcome.kind === "timeout") return outcome.who === "candidate" ? Infinity : -Infinity;
  if (outcome.kind !== "measured") return -Infinity;
  const { factor, low } = outcome.factor;
  return low > 1 ? 1 + low : Math.min(1, factor / 10);
}

function becauseOf(statement: VerifyStatement, all: Outcome, alone: Outcome): string {
  const slower = `${statement.id} takes ${inWords(all)} with the indexes, measured afresh`;
  return isRegression(alone, 1)
    ? `${slower}; this one alone, hidden and shown, makes it ${inWords(alone)}`
    : `${slower}; no index alone explains it, and this one comes nearest`;
}

function inWords(outcome: Outcome): string {
  if (outcome.kind === "measured") return factorInWords(outcome.factor);
  if (outcome.kind === "timeout")
    return `more than ${Math.round(outcome.limitMs)} ms instead of ${outcome.otherMs.toFixed(1)} ms`;
  return "a time that could not be measured";
}
