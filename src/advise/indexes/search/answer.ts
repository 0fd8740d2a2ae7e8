/** The chosen set as an answer: priced again as it is, in the order to build, with what each index gains. */
import { newBank } from "./bank.ts";
import { newBasket } from "./basket.ts";
import { isWithin, type Candidate, type IndexBits } from "./candidates.ts";
import type { PricedStatement, SearchInput, SearchResult, SelectedCandidate } from "./input.ts";
import { rejections } from "./reasons.ts";
import type { WalkInput } from "./walk.ts";

export async function answer(
  input: SearchInput,
  walked: WalkInput,
  chosen: IndexBits,
): Promise<SearchResult> {
  const { candidates, prices, scales } = walked;
  const set = await allowed(walked, chosen);
  const statements: PricedStatement[] = [];
  for (const [position, { statement }] of input.statements.entries()) {
    const failed = prices.failures.get(position);
    statements.push({
      id: statement.id,
      before: prices.settled(position, 0n)?.plan,
      after: prices.settled(position, set)?.plan,
      ...(failed === undefined ? {} : { failed }),
    });
  }
  const members = candidates.in(set);
  const gains = new Map<Candidate, number>();
  for (const member of members) gains.set(member, await gainOf(walked, set, member));
  const maintenance = members.reduce((sum, { maintenanceShare }) => sum + maintenanceShare, 0);
  const costs = statements.map(
    ({ after }, position) => (scales[position] ?? 0) * (after?.cost ?? 0),
  );
  return {
    selected: inOrder(walked, members).map((member) => selectedOf(member, gains.get(member) ?? 0)),
    statements,
    rejected: rejections(input, walked, set),
    relativeCost: costs.reduce((sum, cost) => sum + cost, maintenance),
    explains: prices.explains,
  };
}

/** Every statement's plan with exactly this set; less of the set where a plan turns out to be dearer than the limits allow. */
async function allowed(walked: WalkInput, chosen: IndexBits): Promise<IndexBits> {
  const { candidates, prices, scales, limits } = walked;
  let set = chosen;
  for (;;) {
    let dear: IndexBits = 0n;
    for (const [statement, scale] of scales.entries()) {
      if (scale === 0) continue;
      const before = prices.settled(statement, 0n)?.cost ?? 0;
      const price = (await prices.explained(statement, set)) ?? prices.settled(statement, set);
      // A plan that cannot be shown any more is not promised.
      if (!price) return 0n;
      if (price.cost > before * limits.regressionMax) dear |= price.used;
    }
    const out = candidates.in(dear & set);
    if (out.length === 0) return dear === 0n ? set : 0n;
    const basket = newBasket(
      newBank(walked),
      candidates.in(set).map(({ number }) => number),
    );
    const worth = out.map((candidate) => ({ candidate, loss: basket.change([candidate.number]) }));
    const least = worth.reduce((a, b) => (b.loss < a.loss ? b : a));
    set &= ~least.candidate.bit;
  }
}

/** What the objective would grow by without it; by the plans known where no EXPLAIN is left, which may be more than the truth. */
async function gainOf(walked: WalkInput, set: IndexBits, member: Candidate): Promise<number> {
  const { prices, scales } = walked;
  let gain = -member.maintenanceShare;
  for (const statement of member.statements) {
    const scale = scales[statement] ?? 0;
    const now = scale === 0 ? undefined : prices.settled(statement, set);
    if (!now || isWithin(now.used, set & ~member.bit)) continue;
    const left = set & ~member.bit;
    const cost = (await prices.price(statement, left))?.cost ?? prices.upper(statement, left);
    gain += scale * (cost - now.cost);
  }
  return gain;
}

/** Always next what gains most for its bytes beside those before it. */
function inOrder(walked: WalkInput, members: readonly Candidate[]): readonly Candidate[] {
  const basket = newBasket(newBank(walked), []);
  const left = [...members];
  const ordered: Candidate[] = [];
  while (left.length > 0) {
    const worth = left.map((member) => -basket.change([member.number]) / Math.max(1, member.bytes));
    const [next] = left.splice(worth.indexOf(Math.max(...worth)), 1);
    if (!next) break;
    basket.toggle(next.number);
    ordered.push(next);
  }
  return ordered;
}

function selectedOf(member: Candidate, gain: number): SelectedCandidate {
  const { index, bytes, maintenanceShare, buildMs } = member;
  return { index, bytes, gain, maintenanceShare, buildMs };
}
