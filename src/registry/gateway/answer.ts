// A worker's answer as it arrives: its head, where its body ends, and whether the connection can be used again (RFC 9112).

export type AnswerHead = {
  readonly status: number;
  readonly message: string;
  /** Names and values in turn, as the worker wrote them. */
  readonly headers: readonly string[];
  /** Whether the worker goes on listening on this connection. */
  readonly lasts: boolean;
  /** How long it says that it keeps the connection without a request. */
  readonly keptMs: number | undefined;
};

export type AnswerSink = {
  readonly head: (head: AnswerHead) => void;
  /** `last`: nothing more follows but the end; false where that is not known yet. The bytes are the sink's. */
  readonly data: (bytes: Buffer, last: boolean) => void;
  readonly end: () => void;
};

/** How far an answer has been read; changed by readAnswer alone. */
export type AnswerReading = {
  stage: "head" | "length" | "size" | "chunk" | "after-chunk" | "trailers" | "close" | "whole";
  /** An answer to HEAD has no body, whatever its headers say. */
  readonly toHead: boolean;
  /** Of the body or the chunk. */
  leftBytes: number;
  /** The beginning of a head or a line. */
  start: Buffer | undefined;
  lasts: boolean;
  keptMs: number | undefined;
};

/** What arrived is no answer. */
class MalformedAnswerError extends Error {
  override readonly name = "MalformedAnswerError";
}

const HEAD_MAX_BYTES = 64 * 1024;
const LINE_MAX_BYTES = 16 * 1024;
const HEAD_END = Buffer.from("\r\n\r\n");
const LINE_END = Buffer.from("\r\n");
const STATUS_LINE = /^HTTP\/1\.([01]) ([1-9]\d\d)(?: (.*))?$/;
const CHUNK_SIZE = /^([\da-f]{1,12})[\t ]*(?:;.*)?$/i;
const LENGTH = /^\d{1,15}$/;
const SWITCHING = 101;
const NO_CONTENT = 204;
const NOT_MODIFIED = 304;

export function beginAnswer(toHead: boolean): AnswerReading {
  return { stage: "head", toHead, leftBytes: 0, start: undefined, lasts: false, keptMs: undefined };
}

/** Reads what arrived and tells the sink. False: bytes came after the end. Throws MalformedAnswerError. */
export function readAnswer(reading: AnswerReading, bytes: Buffer, sink: AnswerSink): boolean {
  let rest = bytes;
  while (rest.length > 0) {
    switch (reading.stage) {
      case "whole":
        return false;
      case "head":
        rest = readHead(reading, rest, sink);
        break;
      case "length":
      case "chunk":
        rest = readCounted(reading, rest, sink);
        break;
      case "close":
        sink.data(rest, false);
        return true;
      case "size":
      case "after-chunk":
      case "trailers":
        rest = readLine(reading, rest, sink);
    }
  }
  return true;
}

/** The connection has ended. False: in the middle of the answer. */
export function endAnswer(reading: AnswerReading, sink: AnswerSink): boolean {
  if (reading.stage === "close") finish(reading, sink);
  return reading.stage === "whole";
}

const NOTHING = Buffer.alloc(0);

function finish(reading: AnswerReading, sink: AnswerSink): void {
  reading.stage = "whole";
  sink.end();
}

/** What there is of a head or a line, with its beginning; undefined when its end is not there yet, which is kept then. */
function upTo(
  reading: AnswerReading,
  bytes: Buffer,
  mark: Buffer,
  maxBytes: number,
): readonly [text: string, rest: Buffer] | undefined {
  const all = reading.start === undefined ? bytes : Buffer.concat([reading.start, bytes]);
  const end = all.indexOf(mark);
  if ((end === -1 ? all.length : end) > maxBytes)
    throw new MalformedAnswerError("the head of the answer is too long");
  reading.start = end === -1 ? all : undefined;
  if (end === -1) return undefined;
  return [all.toString("latin1", 0, end), all.subarray(end + mark.length)];
}

function readHead(reading: AnswerReading, bytes: Buffer, sink: AnswerSink): Buffer {
  const found = upTo(reading, bytes, HEAD_END, HEAD_MAX_BYTES);
  if (found === undefined) return NOTHING;
  const [text, rest] = found;
  const [statusLine = "", ...lines] = text.split("\r\n");
  const match = STATUS_LINE.exec(statusLine);
  if (match === null) throw new MalformedAnswerError("the answer is not HTTP/1.1");
  const status = Number(match[2]);
  if (status === SWITCHING) throw new MalformedAnswerError("the answer changes the protocol");
  // Another answer follows.
  if (status < 200) return rest;
  const headers: string[] = [];
  const framing = readFields(lines, headers);
  reading.lasts = match[1] === "1" && !framing.close;
  reading.keptMs = framing.keptMs;
  const bodiless = reading.toHead || status === NO_CONTENT || status === NOT_MODIFIED;
  reading.leftBytes = framing.length ?? 0;
  sink.head({
    status,
    message: match[3] ?? "",
    headers,
    lasts: reading.lasts,
    keptMs: reading.keptMs,
  });
  if (bodiless || (!framing.chunked && framing.length === 0)) finish(reading, sink);
  else if (framing.chunked) reading.stage = "size";
  else reading.stage = framing.length === undefined ? "close" : "length";
  return rest;
}

type Framing = {
  length: number | undefined;
  chunked: boolean;
  close: boolean;
  keptMs: number | undefined;
};

function readFields(lines: readonly string[], headers: string[]): Framing {
  const framing: Framing = { length: undefined, chunked: false, close: false, keptMs: undefined };
  for (const line of lines) {
    const colon = line.indexOf(":");
    // A line that goes on with the one before, as was once allowed, begins with a blank.
    if (colon < 1 || line.startsWith(" ") || line.startsWith("\t"))
      throw new MalformedAnswerError("a header of the answer has no name");
    const name = line.slice(0, colon);
    const value = line.slice(colon + 1).trim();
    headers.push(name, value);
    readFraming(framing, name, value);
  }
  return framing;
}

// By their lengths, so that of most headers nothing else is looked at.
const CONNECTION_OR_KEEP_ALIVE = 10;
const CONTENT_LENGTH = 14;
const TRANSFER_ENCODING = 17;

function readFraming(framing: Framing, name: string, value: string): void {
  if (name.length === CONTENT_LENGTH && name.toLowerCase() === "content-length") {
    const length = Number(value);
    if (!LENGTH.test(value) || (framing.length ?? length) !== length)
      throw new MalformedAnswerError("the length of the answer is unclear");
    framing.length = length;
  } else if (name.length === TRANSFER_ENCODING && name.toLowerCase() === "transfer-encoding") {
    if (value.toLowerCase() !== "chunked")
      throw new MalformedAnswerError("the answer is encoded in an unknown way");
    framing.chunked = true;
  } else if (name.length === CONNECTION_OR_KEEP_ALIVE) {
    const lower = name.toLowerCase();
    if (lower === "connection" && /(?:^|,)\s*close\s*(?:,|$)/i.test(value)) framing.close = true;
    const seconds = lower === "keep-alive" ? /timeout=(\d{1,9})/i.exec(value)?.[1] : undefined;
    if (seconds !== undefined) framing.keptMs = Number(seconds) * 1e3;
  }
}

function readCounted(reading: AnswerReading, bytes: Buffer, sink: AnswerSink): Buffer {
  const taken = bytes.length > reading.leftBytes ? bytes.subarray(0, reading.leftBytes) : bytes;
  reading.leftBytes -= taken.length;
  const over = reading.leftBytes === 0;
  sink.data(taken, over && reading.stage === "length");
  if (over && reading.stage === "length") finish(reading, sink);
  else if (over) reading.stage = "after-chunk";
  return bytes.subarray(taken.length);
}

/** The size of a chunk, the empty line after one, or a trailer, which is not passed on. */
function readLine(reading: AnswerReading, bytes: Buffer, sink: AnswerSink): Buffer {
  const found = upTo(reading, bytes, LINE_END, LINE_MAX_BYTES);
  if (found === undefined) return NOTHING;
  const [line, rest] = found;
  if (reading.stage === "trailers") {
    if (line === "") finish(reading, sink);
  } else if (reading.stage === "after-chunk") {
    if (line !== "") throw new MalformedAnswerError("a chunk of the answer is too long");
    reading.stage = "size";
  } else {
    const size = CHUNK_SIZE.exec(line)?.[1];
    if (size === undefined) throw new MalformedAnswerError("a chunk of the answer has no size");
    reading.leftBytes = Number.parseInt(size, 16);
    reading.stage = reading.leftBytes === 0 ? "trailers" : "chunk";
  }
  return rest;
}
