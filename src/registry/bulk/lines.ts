// Cuts a stream of bytes into lines of text, and never holds more of one line than it may be long.

/** A whole batch of the API fits into one: log-batch takes no more either. */
export const LINE_BYTES_MAX = 1024 * 1024;

/** A line without its end, or undefined for one that was too long. */
export type Line = string | undefined;

export type LineCutter = {
  /** The lines that end in this piece. */
  readonly push: (piece: Buffer) => readonly Line[];
  /** What is left when there are no more pieces: the last line, if it has no end. */
  readonly end: () => readonly Line[];
};

const NEWLINE = 10;
/** Of a line that comes byte by byte each would be an object of its own. */
const PIECES_KEPT_MAX = 1_024;
const BYTE_ORDER_MARK = "\uFEFF";

export function createLineCutter(lineBytesMax = LINE_BYTES_MAX): LineCutter {
  let kept: Buffer[] = [];
  let keptBytes = 0;
  let tooLong = false;
  let first = true;

  function keep(bytes: Buffer): void {
    if (bytes.length === 0) return;
    keptBytes += bytes.length;
    if (keptBytes > lineBytesMax) {
      tooLong = true;
      kept = [];
    } else if (!tooLong) {
      kept.push(bytes);
      if (kept.length > PIECES_KEPT_MAX) kept = [Buffer.concat(kept)];
    }
  }

  function takeKept(): Line {
    const line = tooLong ? undefined : decode(Buffer.concat(kept));
    kept = [];
    keptBytes = 0;
    tooLong = false;
    return line;
  }

  function decode(bytes: Buffer): string {
    const text = bytes.toString("utf8");
    if (!first) return text;
    first = false;
    return text.startsWith(BYTE_ORDER_MARK) ? text.slice(1) : text;
  }

  return {
    push(piece) {
      const lastEnd = piece.lastIndexOf(NEWLINE);
      if (lastEnd < 0) {
        keep(piece);
        return [];
      }
      const lines: Line[] = [];
      let from = 0;
      if (keptBytes > 0) {
        const end = piece.indexOf(NEWLINE);
        keep(piece.subarray(0, end));
        lines.push(takeKept());
        from = end + 1;
      }
      // One text for all lines of the piece: it is several times faster than one for each.
      if (from <= lastEnd)
        for (const line of decode(piece.subarray(from, lastEnd)).split("\n"))
          lines.push(line.length > lineBytesMax ? undefined : line);
      keep(piece.subarray(lastEnd + 1));
      return lines;
    },
    end: () => (keptBytes > 0 ? [takeKept()] : []),
  };
}
