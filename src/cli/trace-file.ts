/** Keeps a captured trace as CSV: numbers in place of keys, so that it can be given away. */
import { createWriteStream } from "node:fs";
import { resolve } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import {
  cacheOperations,
  OUTCOME_HIT,
  OUTCOME_MISS,
  type CacheTrace,
} from "../core/cache-trace.ts";
import { messageOf, PerfoptError, throwIfAborted } from "../core/errors.ts";
import type { Context } from "./context.ts";
import type { Progress } from "./progress.ts";

const ROWS_A_CHUNK = 4_096;

/**
 * Packed when the name ends in .gz. The reader of traces gets the same trace from it, its keys numbered anew and its caveats left
 * out. Throws bad-input for a file that cannot be written.
 */
export async function saveTrace(
  context: Pick<Context, "directory" | "signal">,
  file: string,
  trace: CacheTrace,
  progress: Progress,
): Promise<void> {
  const target = createWriteStream(resolve(context.directory, file), { mode: 0o600 });
  const text = Readable.from(chunksOf(trace));
  const { signal } = context;
  try {
    if (file.endsWith(".gz")) await pipeline(text, createGzip(), target, { signal });
    else await pipeline(text, target, { signal });
  } catch (error) {
    throwIfAborted(signal);
    throw new PerfoptError(
      "bad-input",
      `--save-trace ${file} could not be written: ${messageOf(error)}`,
      "name a file in a folder that may be written to",
    );
  }
  progress.print(`${trace.rows} accesses kept in ${file}`);
}

function* chunksOf(trace: CacheTrace): Generator<string> {
  const { sampledShare, getsOfAll, rows } = trace;
  // Stores that followed a miss are part of their gets already: the reader must not take others for them.
  yield "# perfopt-cache-trace/1\n# folded\n";
  yield `# share ${sampledShare}\n`;
  if (getsOfAll !== undefined) yield `# gets ${getsOfAll}\n`;
  yield "time,key,prefix,size,op,ttl,cost,outcome,process,keyBytes\n";
  for (let from = 0; from < rows; from += ROWS_A_CHUNK) {
    const count = Math.min(ROWS_A_CHUNK, rows - from);
    yield Array.from({ length: count }, (_, index) => lineOf(trace, from + index)).join("");
  }
}

function lineOf(trace: CacheTrace, row: number): string {
  const key = trace.key[row] ?? 0;
  const outcome = trace.outcome?.[row];
  const how = outcome === OUTCOME_HIT ? "hit" : outcome === OUTCOME_MISS ? "miss" : "";
  const columns = [
    (trace.timeMs[row] ?? 0).toFixed(3),
    key.toString(16).padStart(16, "0"),
    quoted(trace.prefixes[trace.prefixOf[key] ?? 0] ?? ""),
    trace.valueBytes[row] ?? 0,
    cacheOperations[trace.operation[row] ?? 0] ?? "",
    trace.ttlMs?.[row] ?? "",
    known(trace.costMs?.[row]),
    how,
    trace.process?.[row] ?? "",
    known(trace.keyBytes[key]),
  ];
  return `${columns.join(",")}\n`;
}

/** Nine digits are all that the column of costs has. */
function known(value: number | undefined): string {
  return value === undefined || value === 0 ? "" : String(Number(value.toPrecision(9)));
}

/** A line has one row: what ends lines, or does worse on a terminal, is no part of a prefix. */
function quoted(text: string): string {
  const shown = text.replaceAll(/\p{Cc}/gu, "_");
  return /[",]/.test(shown) ? `"${shown.replaceAll(/["\\]/g, (each) => each + each)}"` : shown;
}
