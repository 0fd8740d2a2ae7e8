// Reads the entries of a zip archive (PyTorch's and NumPy's files are such), as far as they are stored or deflated.

import { inflateRawSync } from "node:zlib";

export type ZipEntry = {
  readonly name: string;
  readonly offset: number;
  readonly content: Uint8Array;
};

const LOCAL = 0x04034b50;
const CENTRAL = 0x02014b50;
const END = 0x06054b50;
const END_BYTES = 22;
const COMMENT_BYTES_MAX = 65_535;
const ENTRIES_MAX = 10_000;
// A bomb inflates to far more than any artifact of this service holds.
const INFLATED_BYTES_MAX = 64 * 1024 * 1024;
const [STORED, DEFLATED] = [0, 8];

export function isZip(content: Uint8Array): boolean {
  return content.length >= END_BYTES && asBuffer(content).readUInt32LE(0) === LOCAL;
}

/** By its central directory, as loaders read it. Entries that are encrypted, damaged or too large are left out. */
export function* zipEntries(content: Uint8Array): Generator<ZipEntry> {
  const bytes = asBuffer(content);
  const end = findEnd(bytes);
  if (end === undefined) return;
  const entries = Math.min(ENTRIES_MAX, bytes.readUInt16LE(end + 10));
  let left = INFLATED_BYTES_MAX;
  let header = bytes.readUInt32LE(end + 16);
  for (let entry = 0; entry < entries; entry += 1) {
    if (header + 46 > bytes.length || bytes.readUInt32LE(header) !== CENTRAL) return;
    const nameBytes = bytes.readUInt16LE(header + 28);
    const name = bytes.toString("utf8", header + 46, header + 46 + nameBytes);
    const offset = dataOffset(bytes, bytes.readUInt32LE(header + 42));
    if (offset !== undefined) {
      const packed = bytes.subarray(offset, offset + bytes.readUInt32LE(header + 20));
      const unpacked = unpack(packed, bytes.readUInt16LE(header + 10), left);
      left -= unpacked?.length ?? 0;
      if (unpacked !== undefined) yield { name, offset, content: unpacked };
    }
    header += 46 + nameBytes + bytes.readUInt16LE(header + 30) + bytes.readUInt16LE(header + 32);
  }
}

function findEnd(bytes: Buffer): number | undefined {
  const first = Math.max(0, bytes.length - END_BYTES - COMMENT_BYTES_MAX);
  for (let offset = bytes.length - END_BYTES; offset >= first; offset -= 1) {
    if (bytes.readUInt32LE(offset) === END) return offset;
  }
  return undefined;
}

/** The local header repeats the name, with an extra field of its own length. */
function dataOffset(bytes: Buffer, header: number): number | undefined {
  if (header + 30 > bytes.length || bytes.readUInt32LE(header) !== LOCAL) return undefined;
  return header + 30 + bytes.readUInt16LE(header + 26) + bytes.readUInt16LE(header + 28);
}

function unpack(packed: Buffer, method: number, bytesMax: number): Uint8Array | undefined {
  if (method === STORED) return packed;
  if (method !== DEFLATED || bytesMax <= 0) return undefined;
  try {
    return inflateRawSync(packed, { maxOutputLength: bytesMax });
  } catch {
    return undefined;
  }
}

function asBuffer({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}
