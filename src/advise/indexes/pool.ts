/** The indexes that a search may think of: ideas from the statements, and what can be made of an index in one step. */
import type { RejectedIndex } from "../../core/advice.ts";
import type { IndexDefinition } from "../../core/index-definition.ts";

export interface IndexIdea {
  readonly index: IndexDefinition;
  /** Ids of the statements that it is for. */
  readonly statements: readonly string[];
  /** The statements' weight (0 to 1), less for second and third ideas: what to price first. */
  readonly promise: number;
  /** One sentence: which conditions and orders it serves. */
  readonly because: string;
}

export interface CandidatePool {
  /** The most promising first. Every one passed the rules: nothing existing covers it, its types can be indexed. */
  readonly ideas: readonly IndexIdea[];
  /** Ideas that the rules refused, with the reason. */
  readonly rejected: readonly RejectedIndex[];
  /** Indexes one step away: a key more (of the columns that statements use), one less, keys swapped, columns carried along or dropped, a predicate off. */
  readonly variants: (index: IndexDefinition) => readonly IndexDefinition[];
  /** One index that serves what both serve, where there is one. */
  readonly merge: (a: IndexDefinition, b: IndexDefinition) => readonly IndexDefinition[];
  /** Ids of the statements whose plan it could change at all: they use its table and, for a btree, its first key or all that it holds. */
  readonly statementsOf: (index: IndexDefinition) => readonly string[];
}
