/** The options of `perfopt advise pool`, parsed: what the user says of a pool and of its sweep. */
import type { PoolQuestion } from "../advise/concurrency/pool/advise.ts";
import { PerfoptError } from "../core/errors.ts";
import { seedOf } from "./job.ts";
import { countOf, durationOf } from "./load.ts";

export interface PoolOptions {
  readonly csv?: string;
  readonly url?: string;
  readonly target?: string;
  readonly scale?: string;
  readonly persona?: string;
  readonly workload?: string;
  readonly header?: readonly string[];
  readonly budget?: string;
  readonly window?: string;
  readonly sizes?: string;
  readonly senders?: string;
  readonly workers?: string;
  readonly busyMachine?: boolean;
  readonly seed: string;
  readonly cores?: string;
  readonly present?: string;
  readonly threads?: string;
  readonly connectionsPerRequest?: string;
  readonly maxConnections?: string;
  readonly reserved?: string;
  readonly otherClients?: string;
  readonly processes?: string;
  readonly copies?: string;
  readonly reconnects?: string;
}

/** What the user says of what a sweep cannot show. */
export interface Told {
  readonly seed: number;
  readonly cores: number | undefined;
  readonly present: number | undefined;
  readonly deadlock: PoolQuestion["deadlock"];
  readonly maxConnections: number | undefined;
  readonly reserved: number | undefined;
  readonly others: number | undefined;
  readonly processes: number | undefined;
  readonly copies: number;
  readonly sizes: readonly number[] | undefined;
  readonly senders: number | undefined;
  readonly budgetMs: number | undefined;
  readonly windowMs: number;
  readonly reconnectsPerMinuteMax: number;
}

const CONNECTIONS_MOST = 262_143;
const SIZE_MOST = 10_000;
const SIZES_LEAST = 3;
const SIZES_MOST = 20;
const WINDOW_MS = 3_000;
const BUDGET_MS_LEAST = 5_000;
const RECONNECTS = 6;

/** Throws bad-input for what is no number, no time or no list of sizes. */
export function toldOf(options: PoolOptions): Told {
  const threads = count("--threads", options.threads, 1, 100_000);
  const each = count("--connections-per-request", options.connectionsPerRequest, 1, 1_000);
  if (each !== undefined && each > 1 && threads === undefined) {
    throw new PerfoptError(
      "bad-input",
      "--connections-per-request needs --threads: the deadlock floor is of both",
      "give the requests that one process handles at a time, such as --threads 16",
    );
  }
  const budgetMs = durationOf("--budget", options.budget, BUDGET_MS_LEAST);
  return {
    seed: seedOf(options),
    cores: count("--cores", options.cores, 1, 4_096),
    present: count("--present", options.present, 1, CONNECTIONS_MOST),
    deadlock: threads === undefined ? undefined : { threads, connectionsEach: each ?? 1 },
    maxConnections: count("--max-connections", options.maxConnections, 1, CONNECTIONS_MOST),
    reserved: count("--reserved", options.reserved, 0, CONNECTIONS_MOST),
    others: count("--other-clients", options.otherClients, 0, CONNECTIONS_MOST),
    processes: count("--processes", options.processes, 1, 10_000),
    copies: count("--copies", options.copies, 1, 100) ?? 1,
    sizes: sizesOf(options.sizes),
    senders: count("--senders", options.senders, 1, SIZE_MOST),
    budgetMs,
    windowMs: durationOf("--window", options.window, 100) ?? WINDOW_MS,
    reconnectsPerMinuteMax: count("--reconnects", options.reconnects, 0, 100_000) ?? RECONNECTS,
  };
}

function count(
  name: string,
  text: string | undefined,
  least: number,
  most: number,
): number | undefined {
  return text === undefined ? undefined : countOf(name, text, least, most);
}

function sizesOf(text: string | undefined): readonly number[] | undefined {
  if (text === undefined) return undefined;
  const sizes = text.split(",").map((each) => countOf("--sizes", each.trim(), 1, SIZE_MOST));
  const different = [...new Set(sizes)].toSorted((a, b) => a - b);
  if (different.length >= SIZES_LEAST && different.length <= SIZES_MOST) return different;
  throw new PerfoptError(
    "bad-input",
    `--sizes ${text}: expected ${SIZES_LEAST} to ${SIZES_MOST} different sizes, found ${different.length}`,
    "for example --sizes 1,2,4,8,16,32",
  );
}
