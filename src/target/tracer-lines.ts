/** Several tracers' streams of CSV as one: whole lines in the order in which they came, under one header. */

const LINE_END = 10;
const COMMENT = 35;

export interface MergedLines {
  readonly add: (connection: number, bytes: Uint8Array) => void;
  /** Lines that are neither header nor comment. */
  readonly rows: () => number;
  /** In order; a last line that has no end is left out. */
  readonly chunks: () => readonly Uint8Array[];
}

interface Stream {
  rest: Buffer;
  /** Undefined until it came; false: other columns than the first stream's, so that its rows are left out. */
  sameHeader?: boolean;
}

export function mergeLines(): MergedLines {
  const streams = new Map<number, Stream>();
  const chunks: Buffer[] = [];
  let header: string | undefined;
  let rows = 0;

  /** Comments and the header. Returns where the rows begin; without a header yet, the length. */
  const begin = (stream: Stream, bytes: Buffer): number => {
    let from = 0;
    while (from < bytes.length && stream.sameHeader === undefined) {
      const end = bytes.indexOf(LINE_END, from) + 1;
      const line = bytes.subarray(from, end);
      from = end;
      if (line[0] === COMMENT) {
        chunks.push(line);
        continue;
      }
      const text = line.toString("latin1");
      stream.sameHeader = header === undefined || header === text;
      if (header === undefined) chunks.push(line);
      header ??= text;
    }
    return from;
  };
  return {
    add: (connection, bytes) => {
      const stream: Stream = streams.get(connection) ?? { rest: Buffer.alloc(0) };
      streams.set(connection, stream);
      const all = Buffer.concat([stream.rest, bytes]);
      const end = all.lastIndexOf(LINE_END) + 1;
      // A copy of the little that is left, so that it does not keep the rest alive.
      stream.rest = Buffer.from(all.subarray(end));
      const lines = all.subarray(begin(stream, all.subarray(0, end)), end);
      if (lines.length === 0 || stream.sameHeader === false) return;
      chunks.push(lines);
      rows += countRows(lines);
    },
    rows: () => rows,
    chunks: () => chunks,
  };
}

function countRows(lines: Buffer): number {
  let rows = 0;
  let from = 0;
  for (let end = lines.indexOf(LINE_END); end >= 0; end = lines.indexOf(LINE_END, from)) {
    if (lines[from] !== COMMENT) rows += 1;
    from = end + 1;
  }
  return rows;
}
