/**
 * The prefix of a key: what its name begins with, ids left out. The wrapper's library has the same rule (src/tracer/prefix.ts). It may
 * still be a name (`session:alice`): only what several keys have may be shown (prefix-table.ts).
 */

const PREFIX_CHARACTERS_MAX = 64;
/** Words of this length are tokens more often than names. */
const WORD_CHARACTERS_MAX = 20;

/**
 * The first segments of a key, up to the one that looks like an id: `models/get:42:v1` is `models/get`. The last segment never
 * belongs to it, so that no whole key is a prefix; "" where nothing is left.
 */
export function prefixOfKey(key: string): string {
  let end = 0;
  let from = 0;
  for (let at = 0; at < key.length && at <= PREFIX_CHARACTERS_MAX; at += 1) {
    if (!isDelimiter(key.charCodeAt(at))) continue;
    if (at > from) {
      if (!isWord(key, from, at)) break;
      end = at;
    }
    from = at + 1;
  }
  return key.slice(0, end);
}

/** A prefix without its last segment; "" of one that has one only. */
export function parentOfPrefix(prefix: string): string {
  let end = prefix.length;
  while (end > 0 && !isDelimiter(prefix.charCodeAt(end - 1))) end -= 1;
  while (end > 0 && isDelimiter(prefix.charCodeAt(end - 1))) end -= 1;
  return prefix.slice(0, end);
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
    if (code !== 95 && (code > 127 || lower < 97 || lower > 122)) return isVersion(key, from, to);
    if (code === 95 || lower > 102) hexadecimal = false;
  }
  return !hexadecimal;
}

function isVersion(key: string, from: number, to: number): boolean {
  return to - from <= 3 && /^v\d+$/i.test(key.slice(from, to));
}
