/** Why an idea was not taken: one sentence each, by the plans that were seen. */
import type { RejectedIndex } from "../../../core/advice.ts";
import { describeIndex } from "../../../core/index-definition.ts";
import { formatBytes } from "../../../core/units.ts";
import { newBank } from "./bank.ts";
import { newBasket, type Basket } from "./basket.ts";
import { identityOf, type Candidate, type IndexBits } from "./candidates.ts";
import type { SearchInput } from "./input.ts";
import type { WalkInput } from "./walk.ts";

export function rejections(
  input: SearchInput,
  walked: WalkInput,
  set: IndexBits,
): readonly RejectedIndex[] {
  const { candidates } = walked;
  const context = contextOf(input, walked, set);
  const byIdentity = new Map(candidates.all.map((each) => [identityOf(each.index), each]));
  return input.pool.ideas.flatMap(({ index }) => {
    const candidate = byIdentity.get(identityOf(index));
    if (candidate && (candidate.bit & set) !== 0n) return [];
    const refused = candidates.refused.get(identityOf(index))?.because;
    const reason = candidate
      ? reasonOf(context, candidate)
      : (refused ?? "not looked at: the time or the EXPLAINs were over");
    const { name: _, ...rejected } = index;
    return [{ index: rejected, reason }];
  });
}

interface Context {
  readonly input: SearchInput;
  readonly walked: WalkInput;
  readonly selected: readonly Candidate[];
  /** By the bank's plans, with what is selected. */
  readonly basket: Basket;
  readonly empty: Basket;
}

function contextOf(input: SearchInput, walked: WalkInput, set: IndexBits): Context {
  const bank = newBank(walked);
  const selected = walked.candidates.in(set);
  const numbers = selected.map(({ number }) => number);
  return { input, walked, selected, basket: newBasket(bank, numbers), empty: newBasket(bank, []) };
}

function reasonOf(context: Context, candidate: Candidate): string {
  const { walked, basket, empty } = context;
  const dearer = dearerWith(context, candidate);
  if (dearer) return dearer;
  const plans = candidate.statements.flatMap((statement) =>
    walked.prices.of(statement).filter(({ given }) => (given & candidate.bit) !== 0n),
  );
  if (!plans.some(({ used }) => (used & candidate.bit) !== 0n)) {
    return plans.length === 0 ? "not priced: the EXPLAINs were over" : "no plan uses it";
  }
  const price = walked.priceOf(candidate);
  const saved = price - basket.change([candidate.number]);
  if (saved > price + ROUNDING) {
    const over = overBudget(context, candidate);
    return over ?? `saves ${percent(saved)}, and less than what was found instead of it`;
  }
  const alone = price - empty.change([candidate.number]);
  const better = alone > saved + ROUNDING ? serving(context, candidate) : undefined;
  if (better) {
    const words = `${describeIndex(better.index)} serves the same statements better`;
    // A BRIN index is a choice where space counts for more than the planner's costs: both sizes let people make it.
    if (candidate.index.method !== "brin") return words;
    return `${words}, in ${formatBytes(better.bytes)}: this one takes ${formatBytes(candidate.bytes)} and saves ${percent(alone)} alone`;
  }
  if (saved <= ROUNDING) return "no plan with the selected indexes gets cheaper by it";
  const least = price - candidate.maintenanceShare;
  const maintenance =
    candidate.maintenanceShare > 0
      ? ` and costs ${percent(candidate.maintenanceShare)} of writing`
      : "";
  return `saves ${percent(saved)}${maintenance}, less than ${percent(least)} that it has to`;
}

/** The statement that was seen to become dearer than the limits allow when its plan read this index. */
function dearerWith({ input, walked }: Context, candidate: Candidate): string | undefined {
  for (const statement of candidate.statements) {
    const before = walked.prices.settled(statement, 0n)?.cost ?? 0;
    for (const { cost, used } of walked.prices.of(statement)) {
      if ((used & candidate.bit) === 0n || before <= 0) continue;
      if (cost <= before * input.limits.regressionMax) continue;
      const id = input.statements[statement]?.statement.id ?? "";
      return `makes statement ${id} ${(cost / before).toFixed(1)} times dearer`;
    }
  }
  return undefined;
}

function overBudget({ input, selected }: Context, candidate: Candidate): string | undefined {
  const { bytesMax, indexesMax, buildMsMax, writeOverheadPercentMax } = input.limits;
  const sum = (of: (each: Candidate) => number) =>
    [...selected, candidate].reduce((total, each) => total + of(each), 0);
  const beside = selected.length === 0 ? "" : " beside the selected indexes";
  if (bytesMax !== undefined && sum(({ bytes }) => bytes) > bytesMax)
    return `over the disk budget of ${formatBytes(bytesMax)}${beside}: it takes ${formatBytes(candidate.bytes)}`;
  if (indexesMax !== undefined && selected.length + 1 > indexesMax)
    return `no more than ${indexesMax} indexes are wanted, and the selected ones save more`;
  if (buildMsMax !== undefined && sum(({ buildMs }) => buildMs) > buildMsMax)
    return `over the limit of build time${beside}`;
  if (
    writeOverheadPercentMax !== undefined &&
    sum(({ maintenanceShare }) => maintenanceShare) * 100 > writeOverheadPercentMax
  )
    return `over the limit of ${writeOverheadPercentMax} % for what writing may cost more${beside}`;
  return undefined;
}

/** The selected index that most plans read of those statements that would read the candidate. */
function serving({ walked, selected }: Context, candidate: Candidate): Candidate | undefined {
  const statements = candidate.statements.filter((statement) =>
    walked.prices.of(statement).some(({ used }) => (used & candidate.bit) !== 0n),
  );
  const set = selected.reduce((bits, { bit }) => bits | bit, 0n);
  const served = selected
    .filter(
      ({ index }) =>
        index.schema === candidate.index.schema && index.table === candidate.index.table,
    )
    .map((other) => ({
      other,
      count: statements.filter(
        (statement) => ((walked.prices.settled(statement, set)?.used ?? 0n) & other.bit) !== 0n,
      ).length,
    }))
    .filter(({ count }) => count > 0);
  return served.toSorted((a, b) => b.count - a.count)[0]?.other;
}

/** Of sums of shares. */
const ROUNDING = 1e-9;

function percent(share: number): string {
  const value = share * 100;
  return `${value < 0.095 ? value.toFixed(2) : value.toFixed(1)} %`;
}
