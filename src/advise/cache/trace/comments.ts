/** The comment lines of perfopt's own trace files: what the rows alone do not say. */
import type { TraceFactsOfSource } from "./builder.ts";
import { formatCount } from "./words.ts";

const TRACE_FORMAT = "perfopt-cache-trace/1";

export interface Comments {
  /** Without the leading #. */
  take(text: string): void;
  /** Whether the file said that it is perfopt's own. */
  own(): boolean;
  facts(): TraceFactsOfSource;
}

/**
 * `# gets 120` and `# dropped 3` count what happened since the last such line; `# share 0.1` and `# salt 1f3a` hold for what follows.
 * `# folded`: the rows are of a finished trace, for the whole file.
 */
export function createComments(): Comments {
  let own = false;
  let folded = false;
  let gets: number | undefined;
  let dropped = 0;
  const shares = new Set<number>();
  const salts = new Set<string>();
  return {
    take: (text) => {
      const [word = "", value = ""] = text.trim().split(/\s+/);
      const number = Number(value);
      if (word === TRACE_FORMAT) own = true;
      else if (word === "folded") folded = true;
      else if (word === "salt" && value !== "") salts.add(value);
      else if (value === "" || !Number.isFinite(number) || number < 0) return;
      else if (word === "gets") gets = (gets ?? 0) + number;
      else if (word === "dropped") dropped += number;
      else if (word === "share" && number > 0 && number <= 1) shares.add(number);
    },
    own: () => own,
    facts: () => {
      const caveats: string[] = [];
      if (dropped > 0) {
        caveats.push(
          `${formatCount(dropped)} rows were dropped while the trace was written, because its reader or disk was too slow: hit rates are rough.`,
        );
      }
      if (salts.size > 1) {
        caveats.push(
          `The keys were hashed with ${salts.size} different salts, so a key counts as a new one under each: give all processes the same PERFOPT_TRACE_SALT.`,
        );
      }
      if (shares.size > 1) {
        caveats.push(
          `Parts of the trace sample different shares of the keys (${[...shares].join(", ")}): the smallest is taken for all.`,
        );
      }
      return {
        ...(shares.size > 0 ? { sampledShare: Math.min(...shares) } : {}),
        ...(gets === undefined ? {} : { getsOfAll: gets }),
        ...(folded ? { folded } : {}),
        caveats,
      };
    },
  };
}
