/** A set of indexes while it is being changed: its value by the plans in the bank, and what it takes of each limited resource. */
import type { Bank } from "./bank.ts";

export interface Basket {
  /** The objective: the statements' parts, maintenance, and the least that each index has to save. */
  readonly value: number;
  has(number: number): boolean;
  members(): readonly number[];
  /** Puts it in, or takes it out. */
  toggle(number: number): void;
  toggleAll(numbers: readonly number[]): void;
  /** What the value would change by. */
  change(numbers: readonly number[]): number;
  /** 0 within all limits; else the largest share by which one is exceeded, or Infinity where a statement would become too dear. */
  excess(): number;
  /** The share of the scarcest limit that an index takes. */
  load(number: number): number;
  /** Of a statement's span of plans: what each plan that would be cheaper than the one it has now lacks. */
  wants(span: number): readonly (readonly number[])[];
}

export function newBasket(bank: Bank, start: readonly number[]): Basket {
  const { plans, spans } = bank;
  const inside = new Uint8Array(bank.candidates.length);
  /** By plan: how many of its indexes are not there. */
  const missing = Uint8Array.from(plans, ({ needs }) => needs.length);
  const spanOf = new Int32Array(plans.length);
  for (const [span, { from, to }] of spans.entries()) spanOf.fill(span, from, to);
  /** By span: the cheapest plan that has all it needs. */
  const current = Int32Array.from(spans, ({ to }) => to - 1);
  const valueAt = (plan: number): number => plans[plan]?.value ?? 0;
  let value = current.reduce((sum, plan) => sum + valueAt(plan), 0);
  const taken = resourcesOf(bank);
  const take = (span: number, plan: number): void => {
    value += valueAt(plan) - valueAt(current[span] ?? 0);
    current[span] = plan;
  };
  const toggle = (number: number): void => {
    const added = inside[number] === 0;
    inside[number] = added ? 1 : 0;
    const sign = added ? 1 : -1;
    value += sign * (bank.prices[number] ?? 0);
    for (const resource of taken) resource.used += sign * resource.of(number);
    for (const plan of bank.plansOf[number] ?? []) {
      const left = (missing[plan] ?? 0) - sign;
      missing[plan] = left;
      const span = spanOf[plan] ?? 0;
      const now = current[span] ?? 0;
      if (left === 0 && plan < now) take(span, plan);
      if (left === 0 || plan !== now) continue;
      let next = plan + 1;
      while ((missing[next] ?? 0) > 0) next += 1;
      take(span, next);
    }
  };
  const toggleAll = (numbers: readonly number[]): void => numbers.forEach(toggle);
  toggleAll(start);
  return {
    get value() {
      return value;
    },
    has: (number) => inside[number] === 1,
    members: () => membersOf(inside),
    toggle,
    toggleAll,
    change: (numbers) => {
      const before = value;
      toggleAll(numbers);
      const change = value - before;
      toggleAll(numbers);
      value = before;
      return change;
    },
    excess: () => {
      if (bank.vetoes.some((veto) => veto.every((number) => inside[number] === 1))) return Infinity;
      return Math.max(
        0,
        ...taken.map(({ used, max }) => (used > max * ROUNDING ? used / max - 1 : 0)),
      );
    },
    load: (number) => Math.max(0, ...taken.map(({ of, max }) => of(number) / max)),
    wants: (span) => {
      const wants: (readonly number[])[] = [];
      for (let plan = spans[span]?.from ?? 0; plan < (current[span] ?? 0); plan += 1) {
        wants.push((plans[plan]?.needs ?? []).filter((number) => inside[number] === 0));
      }
      return wants;
    },
  };
}

/** Sums of shares that are added and taken off again are off by some last digits. */
const ROUNDING = 1 + 1e-9;

interface Resource {
  used: number;
  readonly max: number;
  readonly of: (number: number) => number;
}

function resourcesOf({ candidates, limits }: Bank): readonly Resource[] {
  const { bytesMax, indexesMax, buildMsMax, writeOverheadPercentMax } = limits;
  const resource = (
    max: number | undefined,
    of: (candidate: Bank["candidates"][number]) => number,
  ): readonly Resource[] => {
    if (max === undefined) return [];
    const each = candidates.map(of);
    return [{ used: 0, max, of: (number) => each[number] ?? 0 }];
  };
  return [
    ...resource(bytesMax, ({ bytes }) => bytes),
    ...resource(indexesMax, () => 1),
    ...resource(buildMsMax, ({ buildMs }) => buildMs),
    ...resource(writeOverheadPercentMax, ({ maintenanceShare }) => maintenanceShare * 100),
  ];
}

function membersOf(inside: Uint8Array): readonly number[] {
  const members: number[] = [];
  for (let number = 0; number < inside.length; number += 1) {
    if (inside[number] === 1) members.push(number);
  }
  return members;
}
