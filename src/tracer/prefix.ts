/** Prefixes of keys: what may leave the process of a key's name. */
import type { KeyHash } from "./hash.ts";

const PREFIXES_MAX = 64;
const CHARACTERS_MAX = 64;
/** Words of this length are tokens more often than names. */
const WORD_CHARACTERS_MAX = 20;
/** A derived prefix is written from so many different keys on: one that few keys have may be a name. */
const KEYS_MIN = 8;
const RECENT = 4_096;
/** Beyond it, prefixes are not even counted; a service with so many has ids where words are looked for. */
const COUNTED_MAX = 4_096;

/**
 * The first segments of a key, up to the one that looks like an id: `models/get:42:v1` is `models/get`. The last segment never
 * belongs to it, so that no whole key is a prefix; "" where nothing is left.
 */
export function derivedPrefix(key: string): string {
  let end = 0;
  let from = 0;
  for (let at = 0; at < key.length && at <= CHARACTERS_MAX; at += 1) {
    if (!isDelimiter(key.charCodeAt(at))) continue;
    if (at > from) {
      if (!isWord(key, from, at)) break;
      end = at;
    }
    from = at + 1;
  }
  return key.slice(0, end);
}

export interface Prefixes {
  /** The bytes to write for a key's prefix; none while it may not be written. */
  of(key: string, hash: KeyHash): Uint8Array;
}

interface Counted {
  readonly bytes: Uint8Array;
  /** One bit for each of 32 parts that keys fall into by their hash: as many as are set, keys there are at least. */
  seen: number;
  admitted: boolean;
}

const NONE = new Uint8Array(0);

/** `prefixOf` of the user is believed; what is derived has to be seen with several keys before it is written. */
export function createPrefixes(prefixOf: ((key: string) => string) | undefined): Prefixes {
  const counted = new Map<string, Counted>();
  // Popular keys come again and again: what was found of them is looked up by their hash, one place each.
  const recentHashes = new Uint32Array(RECENT * 2);
  const recent: Uint8Array[] = Array.from({ length: RECENT }, () => NONE);
  let admitted = 0;
  const admit = (each: Counted): boolean => {
    each.admitted = admitted < PREFIXES_MAX;
    if (each.admitted) admitted += 1;
    return each.admitted;
  };
  const find = (key: string): Counted | undefined => {
    const prefix = prefixOf ? prefixOf(key) : derivedPrefix(key);
    if (prefix === "") return undefined;
    const known = counted.get(prefix);
    if (known || counted.size >= COUNTED_MAX || admitted >= PREFIXES_MAX) return known;
    const fresh: Counted = { bytes: writable(prefix), seen: 0, admitted: false };
    counted.set(prefix, fresh);
    return fresh;
  };
  return {
    of: (key, hash) => {
      const place = hash.low & (RECENT - 1);
      if (recentHashes[place * 2] === hash.low && recentHashes[place * 2 + 1] === hash.high) {
        return recent[place] ?? NONE;
      }
      const found = find(key);
      if (found && !found.admitted) {
        found.seen |= 1 << (hash.low & 31);
        if ((!prefixOf && bitsIn(found.seen) < KEYS_MIN) || !admit(found)) return NONE;
      }
      const bytes = found?.bytes ?? NONE;
      recentHashes[place * 2] = hash.low;
      recentHashes[place * 2 + 1] = hash.high;
      recent[place] = bytes;
      return bytes;
    },
  };
}

/** : / . - */
function isDelimiter(code: number): boolean {
  return code === 58 || code === 47 || code === 46 || code === 45;
}

/** Letters and underscores, or a version like v2; a long run of hexadecimal letters is an id. */
function isWord(key: string, from: number, to: number): boolean {
  if (to - from > WORD_CHARACTERS_MAX) return false;
  let hexadecimal = to - from >= 8;
  for (let at = from; at < to; at += 1) {
    const code = key.charCodeAt(at);
    const lower = code | 32;
    if (code !== 95 && (code > 127 || lower < 97 || lower > 122)) {
      return isVersion(key, from, to);
    }
    if (code === 95 || lower > 102) hexadecimal = false;
  }
  return !hexadecimal;
}

function isVersion(key: string, from: number, to: number): boolean {
  return to - from <= 3 && /^v\d+$/i.test(key.slice(from, to));
}

/** What CSV could misread is replaced. */
function writable(prefix: string): Uint8Array {
  return Buffer.from(prefix.slice(0, CHARACTERS_MAX).replaceAll(/[^\u0021-\u007e]|[",#;]/g, "_"));
}

function bitsIn(bits: number): number {
  let count = 0;
  for (let left = bits; left !== 0; left &= left - 1) count += 1;
  return count;
}
