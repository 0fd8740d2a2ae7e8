// Rows in COPY's binary form, written straight into buffers: no text is made of numbers, and none is read back by PostgreSQL.

/** Writes values one after another; what it needs of space is asked for before each row. */
export type CopyBytes = {
  readonly row: (columns: number) => void;
  readonly text: (value: string) => void;
  readonly whole: (value: number) => void;
  readonly double: (value: number) => void;
  readonly flag: (value: boolean) => void;
  /** The bytes so far, once there are enough for a chunk (or any, when `all`); undefined: not yet. */
  readonly takeChunk: (all: boolean) => Buffer | undefined;
};

// "PGCOPY\n\377\r\n\0", no flags, no extension.
const SIGNATURE = Buffer.from("5047434f50590aff0d0a000000000000000000", "hex");
const TRAILER_BYTES = 2;
const TWO_32 = 2 ** 32;

/** `rowBytesMax`: no row is longer. */
export function createCopyBytes(chunkBytes: number, rowBytesMax: number): CopyBytes {
  let buffer = Buffer.allocUnsafeSlow(chunkBytes + rowBytesMax);
  let at = SIGNATURE.copy(buffer);
  const putInt32 = (value: number): void => {
    buffer[at] = value >>> 24;
    buffer[at + 1] = value >>> 16;
    buffer[at + 2] = value >>> 8;
    buffer[at + 3] = value;
    at += 4;
  };
  return {
    row(columns) {
      buffer[at] = 0;
      buffer[at + 1] = columns;
      at += 2;
    },
    text(value) {
      const bytes = buffer.write(value, at + 4, "utf8");
      putInt32(bytes);
      at += bytes;
    },
    whole(value) {
      const high = Math.floor(value / TWO_32);
      putInt32(8);
      putInt32(high);
      putInt32(value - high * TWO_32);
    },
    double(value) {
      putInt32(8);
      buffer.writeDoubleBE(value, at);
      at += 8;
    },
    flag(value) {
      putInt32(1);
      buffer[at] = value ? 1 : 0;
      at += 1;
    },
    takeChunk(all) {
      if (all) {
        buffer[at] = 0xff;
        buffer[at + 1] = 0xff;
        return buffer.subarray(0, at + TRAILER_BYTES);
      }
      if (at < chunkBytes) return undefined;
      const chunk = buffer.subarray(0, at);
      buffer = Buffer.allocUnsafeSlow(chunkBytes + rowBytesMax);
      at = 0;
      return chunk;
    },
  };
}
