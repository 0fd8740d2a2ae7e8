/** Which column or field of a trace means what: names as people and tools write them, and the units of its times. */

export const fieldKinds = [
  "other",
  "time",
  "key",
  "size",
  "op",
  "ttl",
  "cost",
  "outcome",
  "process",
  "keyBytes",
  "prefix",
  "access",
] as const;
export type FieldKind = (typeof fieldKinds)[number];

/** Milliseconds in one. */
export const UNIT_MS = { ns: 1e-6, us: 1e-3, ms: 1, s: 1_000 } as const;
export type TimeUnit = keyof typeof UNIT_MS;

const NAMES: Readonly<Record<Exclude<FieldKind, "other">, readonly string[]>> = {
  time: ["time", "timestamp", "ts", "t", "at", "clock", "clocktime", "realtime", "date", "when"],
  key: ["key", "keyhash", "hash", "objid", "objectid", "id", "obj", "keyname", "anonymizedkey"],
  size: [
    "size",
    "valuesize",
    "valsize",
    "bytes",
    "valuebytes",
    "objsize",
    "objectsize",
    "valuelength",
  ],
  op: ["op", "operation", "cmd", "command", "optype", "verb"],
  ttl: ["ttl", "expiry", "expires", "expirein"],
  cost: ["cost", "load", "loadtime", "loadcost", "latency"],
  outcome: ["outcome", "result", "hit", "status"],
  process: ["process", "pid", "worker", "instance"],
  keyBytes: ["keybytes", "keysize", "keylength", "keylen"],
  prefix: ["prefix", "namespace", "keyspace", "kind"],
  access: ["access", "accesstype"],
};

const KIND_OF_NAME: ReadonlyMap<string, FieldKind> = new Map(
  fieldKinds.flatMap((kind) =>
    kind === "other" ? [] : NAMES[kind].map((name) => [name, kind] as const),
  ),
);

const UNIT_OF_ENDING: ReadonlyMap<string, TimeUnit> = new Map([
  ["ns", "ns"],
  ["nanos", "ns"],
  ["us", "us"],
  ["usec", "us"],
  ["micros", "us"],
  ["ms", "ms"],
  ["msec", "ms"],
  ["millis", "ms"],
  ["s", "s"],
  ["sec", "s"],
  ["secs", "s"],
  ["seconds", "s"],
]);

export interface Field {
  readonly kind: FieldKind;
  /** Where the name says it: `ts_us`, `ttlMs`, `time (s)`. */
  readonly unit?: TimeUnit;
}

/** What a column of this name has; kind `other` when nothing is known of it. */
export function fieldOf(name: string): Field {
  const plain = squeezed(name);
  const kind = KIND_OF_NAME.get(plain);
  if (kind) return { kind };
  const words = name
    .replaceAll(/([a-z])([A-Z])/g, "$1 $2")
    .toLowerCase()
    .split(/[^a-z]+/)
    .filter(Boolean);
  const unit = UNIT_OF_ENDING.get(words.at(-1) ?? "");
  if (!unit) return { kind: "other" };
  const timed = KIND_OF_NAME.get(words.slice(0, -1).join(""));
  return timed === "time" || timed === "ttl" || timed === "cost"
    ? { kind: timed, unit }
    : { kind: "other" };
}

function squeezed(name: string): string {
  return name.toLowerCase().replaceAll(/[^a-z]/g, "");
}

export interface TimeUnitGuess {
  readonly unit: TimeUnit;
  /** False: a guess that deserves a caveat. */
  readonly sure: boolean;
}

/** Since 1973, a time since 1970 says by its size what its unit is; a time from the start of a trace does not. */
const EPOCH_SECONDS = 1e8;

export function guessTimeUnit(first: number): TimeUnitGuess {
  if (first >= EPOCH_SECONDS * 1e9) return { unit: "ns", sure: true };
  if (first >= EPOCH_SECONDS * 1e6) return { unit: "us", sure: true };
  if (first >= EPOCH_SECONDS * 1e3) return { unit: "ms", sure: true };
  return { unit: "s", sure: first >= EPOCH_SECONDS };
}

const UNIT_WORDS: Readonly<Record<TimeUnit, string>> = {
  ns: "nanoseconds",
  us: "microseconds",
  ms: "milliseconds",
  s: "seconds",
};

export function unitWord(unit: TimeUnit): string {
  return UNIT_WORDS[unit];
}
