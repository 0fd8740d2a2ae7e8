/** Statements as they come in, joined where they are the same but for constants, with bounded memory. */
import { loadModule } from "libpg-query";
import type { IndexWorkload, WorkloadStatement } from "../statement.ts";
import { interpret } from "./interpret.ts";
import type { Interpreted } from "./interpret.ts";
import { bareStatement, constantsOf, fillParameters, literalOf, withoutConstants } from "./text.ts";

export interface Observed {
  readonly sql: string;
  /** A query id or a name; otherwise the parser's fingerprint names it. */
  readonly id?: string;
  readonly calls?: number;
  readonly totalMs?: number;
  readonly rows?: number;
  /** Of $1, $2 and so on, in PostgreSQL's text form. */
  readonly values?: readonly (string | null)[];
  /** Two ways by which a server may report one and the same execution. */
  readonly reported?: "duration" | "plan";
}

export interface Gathering {
  add(observed: Observed): void;
  leaveOut(sql: string, because: string): void;
  caveat(text: string): void;
  /** Weights by time or by calls need those of at least one statement, otherwise all count alike. */
  finish(source: string): IndexWorkload;
}

/** Different statements kept; of more, the lightest tenth makes room. */
const FAMILIES_MAX = 5_000;
/** Sets of values kept of one statement; of more, the lightest makes room. */
const VARIANTS_MAX = 16;
/** Longer texts are kept once a statement, whatever their values. */
const VARIANT_CHARACTERS_MAX = 16_000;
/** A set of values with such a share of its statement's weight is planned as a statement of its own, */
const SHARE_OF_OWN = 0.25;
/** which in a log means that it came back: of the few executions of a short log every one has a share. */
const LOGGED_TIMES_LEAST = 3;
const TEXTS_REMEMBERED = 2_000;
const LEFT_OUT_MAX = 100;
const TEXT_KEPT = 2_000;

interface Tally {
  calls: number | undefined;
  totalMs: number | undefined;
  rows: number | undefined;
}

interface Variant {
  readonly planSql: string;
  readonly sql: string;
  readonly generic: boolean;
  readonly withLimits: (rowsPerCall: number | undefined) => string;
  readonly ids: Set<string>;
  readonly tally: Tally;
  readonly logged: boolean;
  times: number;
}

interface Family {
  readonly fingerprint: string;
  readonly variants: Map<string, Variant>;
  /** Those that made room for others. */
  readonly ids: Set<string>;
  readonly tallies: { readonly duration: Tally; readonly plan: Tally };
  times: number;
}

interface State {
  readonly families: Map<string, Family>;
  /** Texts as they were read, without their constants. */
  readonly texts: Map<string, Interpreted>;
  readonly leftOut: Map<
    string,
    { readonly sql: string; readonly because: string; readonly usual: boolean; times: number }
  >;
  readonly caveats: Set<string>;
  readonly dropped: Tally & { families: number };
  leftOutMore: number;
  translated: number;
}

export async function newGathering(): Promise<Gathering> {
  await loadModule();
  const state: State = {
    families: new Map(),
    texts: new Map(),
    leftOut: new Map(),
    caveats: new Set(),
    dropped: { ...nothing(), families: 0 },
    leftOutMore: 0,
    translated: 0,
  };
  return {
    add: (observed) => add(state, observed),
    leaveOut: (sql, because) => leaveOut(state, sql, because),
    caveat: (text) => void state.caveats.add(text),
    finish: (source) => finish(state, source),
  };
}

function add(state: State, observed: Observed): void {
  const read = interpretOnce(state, observed.sql);
  if (read.kind === "left out") {
    return leaveOut(state, observed.sql, read.because, read.usual);
  }
  let family = state.families.get(read.key);
  if (!family) {
    if (state.families.size >= FAMILIES_MAX) makeRoom(state);
    if (read.translated) state.translated += 1;
    family = {
      fingerprint: read.fingerprint,
      variants: new Map(),
      ids: new Set(),
      tallies: { duration: nothing(), plan: nothing() },
      times: 0,
    };
    state.families.set(read.key, family);
  }
  family.times += 1;
  count(family.tallies[observed.reported ?? "duration"], observed);
  const variant = variantOf(family, read, observed);
  if (observed.id !== undefined) variant.ids.add(observed.id);
  variant.times += 1;
  count(variant.tally, observed);
}

/** Parsing is what a long log costs: texts that differ in constants alone are parsed once. */
function interpretOnce(state: State, sql: string): Interpreted {
  const isLong = sql.length > VARIANT_CHARACTERS_MAX;
  // Where there are parameters the text itself comes back, and it is what is remembered.
  const shape = isLong || /\$\d/.test(sql) ? sql : withoutConstants(sql);
  const known = isLong ? undefined : state.texts.get(shape);
  if (known?.kind === "left out") return known;
  if (known) return shape === sql ? known : { ...known, sql: bareStatement(sql) };
  const read = interpret(sql);
  // Of another text the reason may be another, and the query inside too.
  const isOfShape = read.kind === "left out" ? read.usual : read.sql === bareStatement(sql);
  if (isLong || (shape !== sql && !isOfShape)) return read;
  const [oldest] = state.texts.keys();
  if (state.texts.size >= TEXTS_REMEMBERED && oldest !== undefined) state.texts.delete(oldest);
  state.texts.set(shape, read);
  return read;
}

function variantOf(
  family: Family,
  read: Extract<Interpreted, { kind: "statement" }>,
  observed: Observed,
): Variant {
  const planSql = read.hasParameters ? filled(read.sql, observed.values) : read.sql;
  const key = constantsOf(planSql).join("\0");
  const known = family.variants.get(key);
  if (known) return known;
  const [first] = family.variants.values();
  if (first && planSql.length > VARIANT_CHARACTERS_MAX) return first;
  if (family.variants.size >= VARIANTS_MAX) {
    const [lightest] = [...family.variants].toSorted(([, a], [, b]) => weightOf(a) - weightOf(b));
    if (lightest) {
      family.variants.delete(lightest[0]);
      for (const id of lightest[1].ids) family.ids.add(id);
    }
  }
  const variant: Variant = {
    planSql,
    sql: observed.sql,
    generic: read.hasParameters && planSql === read.sql,
    withLimits: read.withLimits,
    ids: new Set(),
    tally: nothing(),
    logged: observed.reported !== undefined,
    times: 0,
  };
  family.variants.set(key, variant);
  return variant;
}

/** All values or none: a plan half of values and half of guesses is neither. */
function filled(sql: string, values: readonly (string | null)[] | undefined): string {
  if (!values || values.some((value) => value?.endsWith("..."))) return sql;
  let complete = true;
  const text = fillParameters(sql, (number) => {
    const value = values[number - 1];
    if (value === undefined) complete = false;
    return value === undefined ? undefined : literalOf(value);
  });
  return complete ? text : sql;
}

function leaveOut(state: State, sql: string, because: string, usual = false): void {
  const shown = sql.length > TEXT_KEPT ? `${sql.slice(0, TEXT_KEPT - 1)}…` : sql;
  const key = usual ? because : `${because} ${shown}`;
  const known = state.leftOut.get(key);
  if (known) known.times += 1;
  else if (state.leftOut.size < LEFT_OUT_MAX)
    state.leftOut.set(key, { sql: shown, because, usual, times: 1 });
  else state.leftOutMore += 1;
}

/** Drops the lightest tenth, and remembers how much that was. */
function makeRoom(state: State): void {
  const lightest = [...state.families]
    .toSorted(([, a], [, b]) => familyWeight(a) - familyWeight(b))
    .slice(0, FAMILIES_MAX / 10);
  for (const [key, family] of lightest) {
    state.families.delete(key);
    state.dropped.families += 1;
    count(state.dropped, tallyOf(family));
  }
}

function finish(state: State, source: string): IndexWorkload {
  const built = [...state.families.values()].flatMap(statementsOf);
  const weights = built.some(({ statement }) => (statement.totalMs ?? 0) > 0)
    ? "time"
    : built.some(({ statement, times }) => (statement.calls ?? 0) > 0 || times > 1)
      ? "calls"
      : "equal";
  const weigh = (each: WorkloadStatement): number =>
    weights === "time" ? (each.totalMs ?? 0) : (each.calls ?? 0);
  const taken = new Set<string>();
  const statements = built
    .map(({ statement, times }) => ({
      ...statement,
      // A text that stands there twice without a count was run twice.
      calls: statement.calls ?? (weights === "calls" ? times : undefined),
    }))
    .toSorted((a, b) => weigh(b) - weigh(a))
    .map((statement) => ({ ...statement, id: uniqueId(statement.id, taken) }));
  return {
    source,
    weights,
    statements,
    leftOut: [...state.leftOut.values()].map(({ sql, because, usual, times: seen }) => ({
      sql,
      because: seen > 1 ? `${because}, ${seen} times` : because,
      ...(usual ? { usual } : {}),
    })),
    caveats: [...state.caveats, ...ownCaveats(state, statements, weights)],
  };
}

function ownCaveats(
  state: State,
  statements: readonly WorkloadStatement[],
  weights: IndexWorkload["weights"],
): readonly string[] {
  const untimed = statements.filter((each) => each.totalMs === undefined).length;
  return [
    ...(state.translated > 0
      ? [
          `${state.translated} statements have placeholders of a driver (?, :name, %s), which were read as parameters`,
        ]
      : []),
    ...(weights === "time" && untimed > 0
      ? [`${untimed} statements have no time, and so no weight, beside others that have`]
      : []),
    ...(state.dropped.families > 0
      ? [
          `of more than ${FAMILIES_MAX} different statements the lightest ${state.dropped.families} were dropped (${Math.round(state.dropped.totalMs ?? 0)} ms in all)`,
        ]
      : []),
    ...(state.leftOutMore > 0
      ? [`${state.leftOutMore} more texts were left out than are listed`]
      : []),
  ];
}

interface Built {
  readonly statement: WorkloadStatement;
  readonly times: number;
}

/** One statement, and one more for each set of values that is a good part of it or that a person has named. */
function statementsOf(family: Family): readonly Built[] {
  const variants = [...family.variants.values()].toSorted((a, b) => weightOf(b) - weightOf(a));
  const sum = variants.reduce((total, each) => total + weightOf(each), 0);
  const stands = (each: Variant): boolean =>
    each.ids.size > 0 ||
    (weightOf(each) >= SHARE_OF_OWN * sum && (!each.logged || each.times >= LOGGED_TIMES_LEAST));
  const own = variants.filter((each) => !each.generic && stands(each));
  const [main, ...others] = own.length > 0 ? own : typical(variants);
  if (!main) return [];
  const rest = variants.filter((each) => !others.includes(each));
  const joined = [...rest.flatMap((each) => [...each.ids]), ...family.ids];
  return [
    built(main, family, shareOf(rest, variants), joined),
    ...others.map((each) => built(each, family, shareOf([each], variants), [])),
  ];
}

/** Of the variants that are still there; those that made room are taken to be like them. */
function shareOf(some: readonly Variant[], all: readonly Variant[]): Tally & { times: number } {
  const share = (value: (variant: Variant) => number): number => {
    const whole = all.reduce((total, each) => total + value(each), 0);
    const part = some.reduce((total, each) => total + value(each), 0);
    return whole > 0 ? part / whole : some.length / all.length;
  };
  return {
    calls: share((each) => each.tally.calls ?? 0),
    totalMs: share((each) => each.tally.totalMs ?? 0),
    rows: share((each) => each.tally.rows ?? 0),
    times: share((each) => each.times),
  };
}

/** Where no set of values stands out: the one whose time a call is nearest to the mean. One with values before one without. */
function typical(variants: readonly Variant[]): readonly Variant[] {
  const valued = variants.filter((each) => !each.generic);
  const among = valued.length > 0 ? valued : variants;
  const means = among.map(meanMs);
  const mean = means.reduce((sum, each) => sum + each, 0) / Math.max(1, among.length);
  const distance = (each: Variant): number => Math.abs(meanMs(each) - mean);
  // Of generic ones, the heaviest spelling.
  return valued.length > 0
    ? among.toSorted((a, b) => distance(a) - distance(b)).slice(0, 1)
    : among.slice(0, 1);
}

function meanMs(variant: Variant): number {
  return (variant.tally.totalMs ?? 0) / Math.max(1, variant.tally.calls ?? variant.times);
}

function built(
  variant: Variant,
  family: Family,
  share: ReturnType<typeof shareOf>,
  joined: readonly string[],
): Built {
  const whole = tallyOf(family);
  const calls = times(whole.calls, share.calls);
  const totalMs = times(whole.totalMs, share.totalMs);
  const rows = times(whole.rows, share.rows);
  const rowsPerCall = rows === undefined || !calls ? undefined : rows / calls;
  const [own, ...more] = variant.ids;
  const id = own ?? family.fingerprint;
  return {
    times: family.times * share.times,
    statement: {
      id,
      sql: variant.sql,
      planSql: variant.generic ? variant.withLimits(rowsPerCall) : variant.planSql,
      valuesFrom: variant.generic ? "generic" : "statement",
      calls,
      totalMs,
      rows,
      joined: [...new Set([...more, ...joined])].filter((each) => each !== id),
    },
  };
}

function uniqueId(id: string, taken: Set<string>): string {
  let unique = id;
  for (let count = 2; taken.has(unique); count += 1) unique = `${id}#${count}`;
  taken.add(unique);
  return unique;
}

/** A server that logs durations and plans reports an execution twice: what was seen more often counts. */
function tallyOf(family: Family): Tally {
  const { duration, plan } = family.tallies;
  return (plan.calls ?? 0) > (duration.calls ?? 0) ? plan : duration;
}

function nothing(): Tally {
  return { calls: undefined, totalMs: undefined, rows: undefined };
}

function count(tally: Tally, more: Partial<Tally> | Observed): void {
  tally.calls = plus(tally.calls, more.calls);
  tally.totalMs = plus(tally.totalMs, more.totalMs);
  tally.rows = plus(tally.rows, more.rows);
}

function plus(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined ? b : b === undefined ? a : a + b;
}

function times(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? undefined : a * b;
}

function weightOf(each: Variant): number {
  return each.tally.totalMs || each.tally.calls || each.times;
}

function familyWeight(family: Family): number {
  const tally = tallyOf(family);
  return tally.totalMs || tally.calls || family.times;
}
