/** The indexes that a search knows by number, so that a set of them is one bigint. */
import { indexBody, type IndexDefinition } from "../../../core/index-definition.ts";
import type { CandidatePool } from "../pool.ts";
import type { Added, WhatIf } from "../what-if.ts";

/** Bit n stands for candidate n. */
export type IndexBits = bigint;

export interface Candidate {
  readonly number: number;
  readonly bit: IndexBits;
  readonly index: IndexDefinition;
  readonly bytes: number;
  /** Positions of the statements whose plan it could change. */
  readonly statements: readonly number[];
  /** What maintaining it adds, as a share of the workload's cost before. */
  readonly maintenanceShare: number;
  /** 0 where it is not known. */
  readonly buildMs: number;
  /** In multiples of the least gain. */
  readonly surcharge: number;
}

export type AddedIndex = Extract<Added, { kind: "added" }>;

export interface CandidatesInput {
  readonly whatIf: Pick<WhatIf, "add">;
  readonly statementsOf: CandidatePool["statementsOf"];
  readonly positions: ReadonlyMap<string, number>;
  readonly maintenanceShare: (index: IndexDefinition, added: AddedIndex) => number;
  readonly buildMs: (index: IndexDefinition, added: AddedIndex) => number | undefined;
  readonly surcharge?: (index: IndexDefinition, added: AddedIndex) => number;
}

export interface Candidates {
  readonly all: readonly Candidate[];
  /** Of what the engine refused: why. By what the index is. */
  readonly refused: ReadonlyMap<
    string,
    { readonly index: IndexDefinition; readonly because: string }
  >;
  /** Adds it to the engine; the same index again is the same candidate. Undefined when it is refused, or no statement could use it. */
  add(index: IndexDefinition): Promise<Candidate | undefined>;
  knows(index: IndexDefinition): boolean;
  /** In order of their numbers. */
  in(bits: IndexBits): readonly Candidate[];
  byName(name: string): Candidate | undefined;
}

export function newCandidates(input: CandidatesInput): Candidates {
  const all: Candidate[] = [];
  const byBody = new Map<string, Candidate | undefined>();
  const byName = new Map<string, Candidate>();
  const refused = new Map<string, { index: IndexDefinition; because: string }>();
  const add = async (index: IndexDefinition): Promise<Candidate | undefined> => {
    const key = identityOf(index);
    if (byBody.has(key)) return byBody.get(key);
    byBody.set(key, undefined);
    const statements = input
      .statementsOf(index)
      .flatMap((id) => input.positions.get(id) ?? [])
      .toSorted((a, b) => a - b);
    if (statements.length === 0) {
      refused.set(key, { index, because: "no statement's conditions or orders begin with it" });
      return undefined;
    }
    const added = await input.whatIf.add(index);
    if (added.kind === "refused") {
      refused.set(key, { index, because: added.because });
      return undefined;
    }
    const candidate: Candidate = {
      number: all.length,
      bit: 1n << BigInt(all.length),
      index,
      bytes: added.bytes,
      statements,
      maintenanceShare: input.maintenanceShare(index, added),
      buildMs: input.buildMs(index, added) ?? 0,
      surcharge: input.surcharge?.(index, added) ?? 0,
    };
    all.push(candidate);
    byBody.set(key, candidate);
    byName.set(index.name, candidate);
    return candidate;
  };
  return {
    all,
    refused,
    add,
    knows: (index) => byBody.has(identityOf(index)),
    in: (bits) => numbersIn(bits).flatMap((number) => all[number] ?? []),
    byName: (name) => byName.get(name),
  };
}

/** What an index is, whatever its name. */
export function identityOf(index: Omit<IndexDefinition, "name">): string {
  return JSON.stringify([index.schema, index.table, indexBody(index)]);
}

export function unionOf(candidates: readonly Candidate[]): IndexBits {
  return candidates.reduce((bits, { bit }) => bits | bit, 0n);
}

export function isWithin(part: IndexBits, whole: IndexBits): boolean {
  return (part & ~whole) === 0n;
}

function numbersIn(bits: IndexBits): readonly number[] {
  const numbers: number[] = [];
  const text = bits.toString(2);
  for (let at = text.length - 1; at >= 0; at -= 1) {
    if (text[at] === "1") numbers.push(text.length - 1 - at);
  }
  return numbers;
}
