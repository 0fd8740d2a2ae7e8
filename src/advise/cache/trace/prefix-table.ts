/** Prefixes by number, and the guard of those that were derived from keys: what few keys begin with may be a name of somebody. */
import { parentOfPrefix } from "./prefix.ts";

/** Prefixes beyond it are counted with what they begin with, or with those that have none. */
const PREFIXES_MAX = 4096;
/** A derived prefix is kept from so many different keys on; the wrapper has the same rule (src/tracer/prefix.ts). */
const KEYS_MIN = 8;

export interface PrefixTable {
  /** The source itself named it: it is kept, however few keys have it. */
  numberOfGiven(name: string): number;
  /** Derived from the text of a key. */
  numberOfDerived(name: string): number;
  /** The prefixes that are kept, "" first. `prefixOf`, by key, is renumbered in place. */
  finish(prefixOf: Uint16Array): readonly string[];
}

export function createPrefixTable(): PrefixTable {
  const numbers = new Map([["", 0]]);
  const given = new Set([0]);
  let latest = "";
  let latestNumber = 0;
  const add = (name: string): number => {
    const number = numbers.size;
    if (number >= PREFIXES_MAX) return 0;
    numbers.set(name, number);
    return number;
  };
  // What a prefix begins with is there before it: names that find no more room, or are too rare, are counted there.
  const derive = (name: string): number => {
    const known = numbers.get(name);
    if (known !== undefined) return known;
    const parent = derive(parentOfPrefix(name));
    return add(name) || parent;
  };
  return {
    numberOfGiven: (name) => {
      const number = numbers.get(name) ?? add(name);
      given.add(number);
      return number;
    },
    numberOfDerived: (name) => {
      if (name !== latest) latestNumber = derive(name);
      latest = name;
      return latestNumber;
    },
    finish: (prefixOf) => {
      const names = [...numbers.keys()];
      const keys = new Uint32Array(names.length);
      for (const number of prefixOf) keys[number] = (keys[number] ?? 0) + 1;
      const into = foldRare(names, given, keys, numbers);
      const kept = names.flatMap((_, number) =>
        number === 0 || (keys[number] ?? 0) > 0 ? [number] : [],
      );
      const places = new Map(kept.map((number, place) => [number, place]));
      const moved = into.map((number) => places.get(number) ?? 0);
      for (let key = 0; key < prefixOf.length; key += 1) {
        prefixOf[key] = moved[prefixOf[key] ?? 0] ?? 0;
      }
      return kept.map((number) => names[number] ?? "");
    },
  };
}

/** For each prefix, the one that its keys are counted with; `keys` is moved along. */
function foldRare(
  names: readonly string[],
  given: ReadonlySet<number>,
  keys: Uint32Array,
  numbers: ReadonlyMap<string, number>,
): readonly number[] {
  const into = names.map((_, number) => number);
  // What a prefix begins with is shorter than it: long ones first, each has all its keys when its turn comes.
  const longFirst = into.toSorted((a, b) => (names[b] ?? "").length - (names[a] ?? "").length);
  for (const number of longFirst) {
    const count = keys[number] ?? 0;
    if (given.has(number) || count >= KEYS_MIN) continue;
    const parent = numbers.get(parentOfPrefix(names[number] ?? "")) ?? 0;
    into[number] = parent;
    keys[parent] = (keys[parent] ?? 0) + count;
    keys[number] = 0;
  }
  for (const number of longFirst.toReversed()) into[number] = into[into[number] ?? 0] ?? 0;
  return into;
}
