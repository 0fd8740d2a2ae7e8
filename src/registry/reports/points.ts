// Reads PostgreSQL's binary COPY of metrics: for each run and key its values and steps.

export type Points = {
  readonly runId: string;
  readonly key: string;
  /** In the order of time, step, value; NaN where no number was logged. */
  readonly values: Float64Array;
  /** Of the same length. */
  readonly steps: Float64Array;
};

// Documentation of COPY, "Binary Format": 11 bytes of signature, 4 of flags, 4 that say how long the rest of the header is.
const SIGNATURE = "PGCOPY\n\u00ff\r\n\0";
const HEADER_BYTES = SIGNATURE.length + 8;
const TRAILER = -1;
const FIELDS = 4;
// array_send: dimensions, whether there are nulls, element type, and length and lower bound of the one dimension.
const ARRAY_HEADER_BYTES = 20;
const ELEMENT_BYTES = 12;
const TWO_TO_32 = 4_294_967_296;

/** Throws if the bytes are not what such a COPY writes. */
export function* readPoints(bytes: Uint8Array): Generator<Points> {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (buffer.toString("latin1", 0, SIGNATURE.length) !== SIGNATURE)
    throw new Error("These bytes are no binary COPY of PostgreSQL.");
  let at = HEADER_BYTES + buffer.readInt32BE(SIGNATURE.length + 4);
  for (;;) {
    const fields = buffer.readInt16BE(at);
    if (fields === TRAILER) return;
    if (fields !== FIELDS) throw new Error(`A row has ${fields} fields instead of ${FIELDS}.`);
    const runId = fieldAt(buffer, at + 2);
    const key = fieldAt(buffer, runId.end);
    const values = fieldAt(buffer, key.end);
    const steps = fieldAt(buffer, values.end);
    at = steps.end;
    yield {
      runId: buffer.toString("utf8", runId.start, runId.end),
      key: buffer.toString("utf8", key.start, key.end),
      values: arrayAt(buffer, values, readDouble),
      steps: arrayAt(buffer, steps, readInt8),
    };
  }
}

type Field = { readonly start: number; readonly end: number };

function fieldAt(buffer: Buffer, at: number): Field {
  const start = at + 4;
  return { start, end: start + buffer.readInt32BE(at) };
}

function arrayAt(
  buffer: Buffer,
  { start, end }: Field,
  read: (buffer: Buffer, at: number) => number,
): Float64Array {
  const count = Math.floor((end - start - ARRAY_HEADER_BYTES) / ELEMENT_BYTES);
  const first = start + ARRAY_HEADER_BYTES + 4;
  const items = new Float64Array(count);
  for (let index = 0; index < count; index += 1)
    items[index] = read(buffer, first + index * ELEMENT_BYTES);
  return items;
}

const readDouble = (buffer: Buffer, at: number): number => buffer.readDoubleBE(at);

/** Steps are safe integers, as the service takes no others. */
const readInt8 = (buffer: Buffer, at: number): number =>
  buffer.readInt32BE(at) * TWO_TO_32 + buffer.readUInt32BE(at + 4);
