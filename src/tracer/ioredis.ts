/** Traces an ioredis client (4 to 6, a cluster too): its string commands, by wrapping `sendCommand` of one instance. */
import { createMisses, type Misses } from "./fills.ts";
import type { CacheTracer } from "./tracer.ts";

/** All that is used of the client; commands it does not know, and clients of other libraries, pass through untouched. */
export interface IoredisLike {
  sendCommand(...parameters: never[]): unknown;
}

/** What of an ioredis command is used. */
interface Command {
  readonly name: string;
  readonly args: readonly unknown[];
  resolve: (reply: unknown) => void;
  /** Its `resolve` as it was left here: a command passes again when it waited for a connection, with another one when a cluster redirected it. */
  [seen]?: unknown;
}

const seen = Symbol("perfopt");

interface Traced {
  readonly tracer: CacheTracer;
  readonly misses: Misses;
  /** Commands since MULTI, whose replies come with EXEC. */
  queued: Sent[] | undefined;
}

/** A command that is on its way. */
interface Sent {
  readonly name: string;
  readonly args: readonly unknown[];
  /** Of a store, one a key: what the load took since the miss; undefined when there was none. */
  readonly loadMs: readonly (number | undefined)[];
}

/** More than this between MULTI and EXEC is not remembered. */
const QUEUED_MAX = 10_000;

/** The same client, traced while the tracer is active; pipelines and transactions too. Duplicates of it have to be wrapped themselves. */
export function traceIoredis<Client extends IoredisLike>(
  redis: Client,
  tracer: CacheTracer,
): Client {
  if (!canSend(redis)) return redis;
  const client: Sending = redis;
  const send = client.sendCommand;
  const traced: Traced = { tracer, misses: createMisses(), queued: undefined };
  client.sendCommand = (...parameters) => {
    if (tracer.active()) {
      try {
        const [command] = parameters;
        if (isCommand(command)) watch(traced, command);
      } catch {
        // Tracing fails; the command is sent.
      }
    } else traced.queued = undefined;
    return send.apply(redis, parameters);
  };
  return redis;
}

/** What an ioredis client's `sendCommand` is when nothing is assumed of its commands. */
interface Sending {
  sendCommand: (...parameters: unknown[]) => unknown;
}

function canSend(value: unknown): value is Sending {
  return typeof value === "object" && value !== null && "sendCommand" in value;
}

function isCommand(value: unknown): value is Command {
  if (typeof value !== "object" || value === null) return false;
  const { name, args, resolve } = value as Partial<Command>;
  return typeof name === "string" && Array.isArray(args) && typeof resolve === "function";
}

function watch(traced: Traced, command: Command): void {
  if (command[seen] === command.resolve) return;
  const name = command.name.toLowerCase();
  if (name === "multi") traced.queued = [];
  else if (name === "discard") traced.queued = undefined;
  else if (name === "exec") {
    const queued = traced.queued ?? [];
    traced.queued = undefined;
    onReply(command, (reply) => takeExec(traced, queued, reply));
  } else if (name === "get" && !traced.queued && !traced.tracer.sampled(nameOf(command.args[0]))) {
    // Only counted: of a key outside the sample it does not matter whether it hits, so nobody waits for the reply.
    traced.tracer.hit(nameOf(command.args[0]), Number.NaN);
  } else if (TRACED.has(name)) {
    const sent = sentOf(traced, name, command.args);
    if (!traced.queued) onReply(command, (reply) => takeReply(traced, sent, reply));
    else if (traced.queued.length < QUEUED_MAX) traced.queued.push(sent);
  } else if (traced.queued && traced.queued.length < QUEUED_MAX) {
    traced.queued.push({ name, args: [], loadMs: [] });
  }
  command[seen] = command.resolve;
}

/** Puts itself before the command's `resolve`, which gets the reply as it came; a command that fails is not traced. */
function onReply(command: Command, take: (reply: unknown) => void): void {
  const { resolve } = command;
  command.resolve = (reply) => {
    resolve(reply);
    try {
      take(reply);
    } catch {
      // A reply of another shape than Redis gives.
    }
  };
}

function sentOf(traced: Traced, name: string, args: readonly unknown[]): Sent {
  if (!STORES.has(name)) return { name, args, loadMs: [] };
  const step = name === "mset" || name === "msetnx" ? 2 : args.length;
  const loadMs: (number | undefined)[] = [];
  for (let at = 0; at < args.length; at += step) {
    const key = nameOf(args[at]);
    loadMs.push(traced.tracer.sampled(key) ? traced.misses.filled(key) : undefined);
  }
  return { name, args, loadMs };
}

const STORES: ReadonlySet<string> = new Set([
  "set",
  "setex",
  "psetex",
  "setnx",
  "getset",
  "mset",
  "msetnx",
]);
const TRACED: ReadonlySet<string> = new Set([
  ...STORES,
  "get",
  "getex",
  "getdel",
  "mget",
  "del",
  "unlink",
  "expire",
  "pexpire",
  "expireat",
  "pexpireat",
  "persist",
]);

/** Null when the transaction was aborted: nothing of it has happened. */
function takeExec(traced: Traced, queued: readonly Sent[], replies: unknown): void {
  if (!Array.isArray(replies)) return;
  for (const [index, sent] of queued.entries()) {
    const reply: unknown = replies[index];
    if (TRACED.has(sent.name) && !(reply instanceof Error)) takeReply(traced, sent, reply);
  }
}

function takeReply(traced: Traced, sent: Sent, reply: unknown): void {
  const { tracer } = traced;
  const { name, args } = sent;
  const key = nameOf(args[0]);
  switch (name) {
    case "get":
      return noteGet(traced, key, reply);
    case "getex": {
      noteGet(traced, key, reply);
      const ttlMs = ttlIn(args, 1);
      if (reply !== null && ttlMs !== undefined) tracer.expires(key, ttlMs);
      return;
    }
    case "getdel":
      noteGet(traced, key, reply);
      if (reply !== null) tracer.deleted(key);
      return;
    case "mget":
      if (!Array.isArray(reply)) return;
      for (const [index, each] of args.entries()) noteGet(traced, nameOf(each), reply[index]);
      return;
    case "del":
    case "unlink":
      for (const each of args) noteDelete(traced, nameOf(each));
      return;
    case "persist":
      if (reply === 1) tracer.expires(key, 0);
      return;
    default: {
      const unit = UNIT_OF_COMMAND.get(name);
      if (unit && reply === 1) tracer.expires(key, ttlOf(unit, args[1]));
      else if (!unit && wasStored(name, args, reply)) noteStores(traced, sent);
    }
  }
}

function noteGet({ tracer, misses }: Traced, key: string, value: unknown): void {
  if (value !== null && value !== undefined) {
    return tracer.hit(key, tracer.sampled(key) ? lengthOf(value) : Number.NaN);
  }
  tracer.miss(key);
  if (tracer.sampled(key)) misses.missed(key);
}

function noteDelete({ tracer, misses }: Traced, key: string): void {
  misses.forget(key);
  tracer.deleted(key);
}

/** SET with NX or XX may have stored nothing; with GET, what it replies is the old value. */
function wasStored(name: string, args: readonly unknown[], reply: unknown): boolean {
  if (name === "setnx" || name === "msetnx") return reply === 1;
  if (name !== "set") return true;
  const words = args.slice(2).map((each) => nameOf(each).toLowerCase());
  if (!words.includes("get")) return reply !== null;
  if (words.includes("nx")) return reply === null;
  return !words.includes("xx") || reply !== null;
}

function noteStores({ tracer }: Traced, { name, args, loadMs }: Sent): void {
  const note = (key: unknown, value: unknown, ttlMs: number, tookMs: number | undefined): void => {
    if (tookMs === undefined) tracer.stored(nameOf(key), lengthOf(value), ttlMs);
    else tracer.loaded(nameOf(key), lengthOf(value), ttlMs, tookMs);
  };
  const [key, second, third] = args;
  if (name === "mset" || name === "msetnx") {
    for (let at = 0; at + 1 < args.length; at += 2) note(args[at], args[at + 1], 0, loadMs[at / 2]);
  } else if (name === "setex" || name === "psetex") {
    note(key, third, Number(nameOf(second)) * (name === "setex" ? 1_000 : 1), loadMs[0]);
  } else note(key, second, name === "set" ? (ttlIn(args, 2) ?? 0) : 0, loadMs[0]);
}

/** EX, PX, EXAT, PXAT, KEEPTTL (NaN: not known) or PERSIST among the arguments from `from` on; undefined without one. */
function ttlIn(args: readonly unknown[], from: number): number | undefined {
  for (let at = from; at < args.length; at += 1) {
    const word = nameOf(args[at]).toLowerCase();
    if (word === "keepttl") return Number.NaN;
    if (word === "persist") return 0;
    const unit = UNIT_OF_OPTION.get(word);
    if (unit) return ttlOf(unit, args[at + 1]);
  }
  return undefined;
}

interface TtlUnit {
  readonly ms: number;
  /** A moment, not a length of time. */
  readonly absolute: boolean;
}

const UNIT_OF_OPTION: ReadonlyMap<string, TtlUnit> = new Map([
  ["ex", { ms: 1_000, absolute: false }],
  ["px", { ms: 1, absolute: false }],
  ["exat", { ms: 1_000, absolute: true }],
  ["pxat", { ms: 1, absolute: true }],
]);

const UNIT_OF_COMMAND: ReadonlyMap<string, TtlUnit> = new Map([
  ["expire", { ms: 1_000, absolute: false }],
  ["pexpire", { ms: 1, absolute: false }],
  ["expireat", { ms: 1_000, absolute: true }],
  ["pexpireat", { ms: 1, absolute: true }],
]);

/** At least 1: 0 would say that it never expires. */
function ttlOf({ ms, absolute }: TtlUnit, value: unknown): number {
  const given = Number(nameOf(value)) * ms;
  return Math.max(1, absolute ? given - Date.now() : given);
}

function nameOf(argument: unknown): string {
  return typeof argument === "string"
    ? argument
    : argument instanceof Uint8Array
      ? Buffer.from(argument.buffer, argument.byteOffset, argument.byteLength).toString()
      : String(argument);
}

/** Of what Redis sends or gets; NaN for what is neither text nor bytes. */
function lengthOf(value: unknown): number {
  if (typeof value === "string") return Buffer.byteLength(value);
  return value instanceof Uint8Array ? value.byteLength : Number.NaN;
}
