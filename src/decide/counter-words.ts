/** A counter's difference as a finding with its sentence. */
import type { Counter, CounterFinding } from "../core/gate.ts";

/** Values a request, means over the replays. */
export interface PartChange {
  readonly subject: string;
  readonly base: number;
  readonly head: number;
}

interface CounterChange {
  readonly counter: Counter;
  readonly endpoint: string;
  readonly kind: CounterFinding["kind"];
  /** Per request, one value a replay. */
  readonly base: readonly number[];
  readonly head: readonly number[];
  readonly parts: readonly PartChange[];
}

const TITLES: Readonly<Record<Counter, string>> = {
  errors: "errors",
  statements: "SQL statements",
  "redis-commands": "Redis commands",
  buffers: "buffers",
  rows: "rows",
  "response-bytes": "response bytes",
};

/** Statements and commands that a sentence names. */
const PARTS_MOST = 3;
const SUBJECT_CHARACTERS = 160;

export function findingOf(change: CounterChange): CounterFinding {
  const { counter, endpoint, kind } = change;
  const base = meanOf(change.base);
  const head = meanOf(change.head);
  const title = `${TITLES[counter]} a request`;
  if (kind === "noise") {
    const detail = `${endpoint}: ${title} differ, but no more than replays of one side may (${listed(change.base)} in the base, ${listed(change.head)} in the head).`;
    return { counter, endpoint, base, head, kind, detail };
  }
  const moved = movedParts(change);
  const [first] = moved;
  const amount = `${inNumbers(Math.abs(head - base))} ${head > base ? "more" : "fewer"} ${title}`;
  const named = moved.map(
    (part) => `${shortened(part.subject)} ${inNumbers(part.base)} -> ${inNumbers(part.head)}`,
  );
  const why = named.length === 0 ? "" : `: ${named.join("; ")}`;
  return {
    counter,
    endpoint,
    ...(first ? { subject: first.subject } : {}),
    base,
    head,
    kind,
    detail: `${endpoint}: ${amount} (${inNumbers(base)} -> ${inNumbers(head)})${why}.`,
  };
}

export function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** The parts that moved as the whole did, those that moved most first. */
function movedParts({ kind, parts }: CounterChange): readonly PartChange[] {
  const sign = kind === "regression" ? 1 : -1;
  const movement = ({ base, head }: PartChange) => sign * (head - base);
  return parts
    .filter((part) => movement(part) > 0)
    .toSorted((left, right) => movement(right) - movement(left))
    .slice(0, PARTS_MOST);
}

function listed(values: readonly number[]): string {
  return values.map(inNumbers).join(", ");
}

/** A count a request: hundredths matter for statements, and nobody reads them behind a thousand bytes. */
function inNumbers(value: number): string {
  return value < 100 ? value.toFixed(2) : value.toFixed(0);
}

function shortened(text: string): string {
  return text.length <= SUBJECT_CHARACTERS ? text : `${text.slice(0, SUBJECT_CHARACTERS - 3)}...`;
}
