/** Hashes of keys: the only thing of a key's name that leaves the process, beside its prefix and its length. */
import { createHash, randomBytes } from "node:crypto";

/** What hashing a key found, in one object that is used again for each key. */
export interface KeyHash {
  /** 32 bits each, unsigned. */
  high: number;
  low: number;
  /** Of the key in UTF-8. */
  bytes: number;
}

export interface Salt {
  readonly first: number;
  readonly second: number;
  /** Tells apart traces that were made with different salts, and says nothing of the salt. */
  readonly name: string;
}

/** Without a text it is a random one, of this process alone. */
export function saltOf(text: string = randomBytes(16).toString("hex")): Salt {
  const digest = createHash("sha256").update(`perfopt cache trace ${text}`).digest();
  return {
    first: digest.readUInt32LE(0),
    second: digest.readUInt32LE(4),
    name: digest.toString("hex", 8, 12),
  };
}

/**
 * Two 32-bit halves over the key's characters: FNV-1a in the one, multiply and rotate in the other, both through the finaliser of
 * MurmurHash3 and into each other.
 */
export function hashKey(target: KeyHash, key: string, salt: Salt): void {
  const { length } = key;
  let a = 0x811c9dc5 ^ salt.first;
  let b = salt.second;
  let all = 0;
  for (let at = 0; at < length; at += 1) {
    const code = key.charCodeAt(at);
    all |= code;
    a = Math.imul(a ^ code, 0x01000193);
    b = Math.imul(((b << 5) | (b >>> 27)) ^ code, 0xcc9e2d51);
  }
  a = finalised(a ^ length);
  b = finalised(b + a);
  target.high = b >>> 0;
  target.low = (a + b) >>> 0;
  target.bytes = all < 128 ? length : Buffer.byteLength(key);
}

/** fmix32 of MurmurHash3. */
function finalised(hash: number): number {
  let mixed = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}
