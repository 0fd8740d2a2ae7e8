/** Reads a trace of any format that is known: CSV, JSON Lines, the text of MONITOR, MONITOR TRACE. */
import type { CacheTrace } from "../../../core/cache-trace.ts";
import { PerfoptError } from "../../../core/errors.ts";
import { createTraceBuilder } from "./builder.ts";
import { createLineReader, shownAt, textAt } from "./bytes.ts";
import { createCsvParser, type RowParser } from "./csv.ts";
import { createJsonlParser } from "./jsonl.ts";
import { parseMonitorBytes } from "./monitor.ts";
import type { RowSink } from "./rows.ts";

/** So much is looked at to tell what a file is. */
const SNIFF_BYTES = 4_096;
const MONITOR_LINE = /^\+?\d+\.\d+ \[\d+ [^\n]*?\] "/;

/**
 * The whole trace in columns; a packed file is unpacked by the caller. `name` is for people: the file, without secrets. Throws
 * PerfoptError that says which line cannot be read and what was expected.
 */
export async function readTrace(
  chunks: AsyncIterable<Uint8Array>,
  name: string,
  options: { readonly rowsMax?: number } = {},
): Promise<CacheTrace> {
  const builder = createTraceBuilder(name, options);
  const sink: RowSink = (row) => builder.add(row);
  let parser: RowParser | undefined;
  let head: Uint8Array = new Uint8Array(0);
  for await (const chunk of chunks) {
    if (parser) {
      if (!parser.push(chunk)) break;
      continue;
    }
    head = joined(head, chunk);
    if (head.length < SNIFF_BYTES) continue;
    parser = parserOf(head, name, sink);
    if (!parser.push(head)) break;
  }
  if (!parser) {
    parser = parserOf(head, name, sink);
    parser.push(head);
  }
  return builder.finish(parser.end());
}

function parserOf(head: Uint8Array, name: string, onRow: RowSink): RowParser {
  if (head[0] === 0x1f && head[1] === 0x8b) {
    throw new PerfoptError(
      "bad-input",
      `${name} is packed with gzip`,
      "unpack it first: `zcat FILE | perfopt advise cache --trace -`",
    );
  }
  const start = head.subarray(0, SNIFF_BYTES);
  if (start.includes(0)) {
    throw new PerfoptError(
      "bad-input",
      `${name} is not text`,
      "a trace is CSV with a header (time,key,size,op), JSON Lines, or what MONITOR prints",
    );
  }
  const first = textAt(start, 0, start.length)
    .split(/\r?\n/)
    .find((line) => line.trim() !== "" && !line.startsWith("#") && !/^\+?OK\s*$/.test(line));
  if (first?.trimStart().startsWith("{")) return createJsonlParser(name, onRow);
  if (first !== undefined && MONITOR_LINE.test(first)) return createMonitorParser(name, onRow);
  return createCsvParser(name, onRow);
}

function createMonitorParser(name: string, onRow: RowSink): RowParser {
  let skipped = 0;
  let wanted = true;
  const sink: RowSink = (row) => {
    wanted = onRow(row) !== false && wanted;
  };
  const reader = createLineReader(
    (bytes, from, to) => {
      const ok = to === from || parseMonitorBytes(bytes, from, to, sink);
      if (!ok && !/^\+?OK$/.test(shownAt(bytes, from, to))) skipped += 1;
      return wanted;
    },
    () => {
      throw new PerfoptError(
        "bad-input",
        `${name}, line ${reader.lineNumber()}: the line is too long for MONITOR`,
        "capture with `redis-cli MONITOR`, one command a line",
      );
    },
  );
  return {
    push: (chunk) => reader.push(chunk),
    end: () => {
      reader.end();
      return {
        storesShown: true,
        caveats: [
          "MONITOR does not say whether a get hit: one that is followed by a store of its key is taken for a miss, any other for a hit.",
          ...(skipped > 0
            ? [`${skipped} ${skipped === 1 ? "line is" : "lines are"} not of MONITOR and left out.`]
            : []),
        ],
      };
    },
  };
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}
