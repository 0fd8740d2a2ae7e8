/** The present setting against the recommended one: memory, policy and times to live, and what each is predicted to do. */
import type { CacheAdvice, CacheChoice } from "../../core/cache-advice.ts";
import { formatRatio } from "../../core/units.ts";
import { table, type Block } from "../outputs/document.ts";
import {
  formatBounded,
  formatFactor,
  formatL1,
  formatLength,
  formatMemory,
  formatRate,
  formatShare,
  missesInWords,
  NOT_KNOWN,
} from "./words.ts";

/** What makes a table of 80 columns. */
const WIDTHS = [18, 26, 26];

interface Row {
  readonly title: string;
  readonly read: (choice: CacheChoice) => string | undefined;
  /** Where the other has one. */
  readonly absent?: string;
}

const ROWS: readonly Row[] = [
  { title: "Redis maxmemory", read: ({ maxmemoryBytes }) => formatMemory(maxmemoryBytes) },
  { title: "policy", read: ({ policy }) => policy },
  {
    title: "times to live",
    read: ({ ttlFactor, ttlWords }) => ttlWords ?? formatFactor(ttlFactor),
  },
  {
    title: "L1 in each process",
    read: ({ l1 }) => (l1 === undefined ? undefined : formatL1(l1)),
    absent: "none",
  },
  { title: "hit rate", read: formatBounded },
  {
    title: "byte hit rate",
    read: ({ byteHitRate }) => (byteHitRate === undefined ? undefined : formatShare(byteHitRate)),
  },
  {
    title: "stale reads",
    read: ({ staleShare }) => (staleShare === undefined ? undefined : formatShare(staleShare)),
  },
  { title: "database loads", read: ({ loadsPerSecond }) => `${formatRate(loadsPerSecond)}/s` },
  {
    title: "load time saved",
    read: ({ loadMsSavedPerSecond: saved }) =>
      saved === undefined ? undefined : `${formatLength(saved)} a second`,
  },
  {
    title: "hits of last MB",
    read: ({ hitsPerExtraMb: hits }) => (hits === undefined ? undefined : `${formatRate(hits)}/s`),
  },
  { title: "why it misses", read: ({ misses }) => missesInWords(misses) },
];

export function comparedBlocks(advice: CacheAdvice): readonly (Block | undefined)[] {
  const { present, recommended } = advice;
  const columns = [
    ...(present === undefined ? [] : [{ title: "now", choice: present }]),
    ...(recommended === undefined ? [] : [{ title: "recommended", choice: recommended }]),
  ];
  if (columns.length === 0) return [];
  const rows = ROWS.map(({ title, read, absent }) => ({
    title,
    absent: absent ?? NOT_KNOWN,
    values: columns.map(({ choice }) => read(choice)),
  })).filter(({ values }) => values.some((value) => value !== undefined));
  const stale = columns.some(({ choice }) => choice.staleShare !== undefined);
  return [
    table(
      ["", ...columns.map(({ title }) => title)],
      rows.map(({ title, values, absent }) => [title, ...values.map((value) => value ?? absent)]),
      WIDTHS.slice(0, columns.length + 1),
    ),
    {
      kind: "text",
      text: `From the hit rate on it is predicted by simulating the trace. Hit rate: with its bounds.${stale ? " Stale reads: gets answered with what had changed meanwhile." : ""}`,
    },
  ];
}

/** Against no cache at all, in which every get is a load, and against the present setting. */
export function loadsSavedInWords({ trace, present, recommended }: CacheAdvice): readonly string[] {
  const choice = recommended ?? present;
  if (choice === undefined) return [];
  const parts = [
    savedInWords(choice.loadsPerSecond, trace.getsPerSecond, "without a cache"),
    recommended === undefined || present === undefined
      ? undefined
      : savedInWords(recommended.loadsPerSecond, present.loadsPerSecond, "now"),
  ].filter((part) => part !== undefined);
  if (parts.length === 0) return [];
  return [
    `Loads of the database ${recommended === undefined ? "at present" : "as recommended"}: ${formatRate(choice.loadsPerSecond)}/s predicted, ${parts.join(", ")}.`,
  ];
}

function savedInWords(loads: number, before: number, when: string): string | undefined {
  if (!Number.isFinite(loads) || !Number.isFinite(before) || before <= 0) return undefined;
  const difference = Math.abs(before - loads);
  if (difference < 0.005 * before) return `as many as ${when}`;
  return `${formatRatio(difference / before)} ${loads < before ? "fewer" : "more"} than ${when} (${formatRate(before)}/s)`;
}
