// Reads the entries of a zip archive (PyTorch's and NumPy's files are such), as far as they are stored or deflated.

import { inflateRawSync } from "node:zlib";

export type ZipEntry = {
  readonly name: string;
  readonly offset: number;
  readonly content: Uint8Array;
};

/** What could not be looked into. */
export type UnreadEntry = {
  readonly name: string;
  readonly offset: number;
  readonly unread: string;
};

/** As the central directory has it; `begin` is where its local header is. */
type Listed = {
  readonly name: string;
  readonly begin: number;
  readonly method: number;
  readonly encrypted: boolean;
  readonly packedBytes: number;
};

type Directory = { readonly listed: readonly Listed[]; readonly problem?: string };

const LOCAL = 0x04034b50;
const CENTRAL = 0x02014b50;
const END = 0x06054b50;
const END64 = 0x06064b50;
const LOCATOR64 = 0x07064b50;
const [CENTRAL_BYTES, LOCAL_BYTES, END_BYTES, END64_BYTES, LOCATOR64_BYTES] = [46, 30, 22, 56, 20];
const COMMENT_BYTES_MAX = 65_535;
const ENTRIES_MAX = 10_000;
// A bomb inflates to far more than any artifact of this service holds.
const CONTENT_BYTES_MAX = 64 * 1024 * 1024;
// Deflate makes no more of one byte; a little more for the block's end.
const DEFLATE_RATIO_MAX = 1_032;
const DEFLATE_EXTRA_BYTES = 1_024;
const [STORED, DEFLATED] = [0, 8];

export function isZip(content: Uint8Array): boolean {
  return content.length >= END_BYTES && asBuffer(content).readUInt32LE(0) === LOCAL;
}

/**
 * By its central directory, as loaders read it. Of all entries together up to 64 MB: each is charged before it is touched, also one that
 * fails, and no byte belongs to two of them, so the work is bounded whatever the archive says.
 */
export function* zipEntries(content: Uint8Array): Generator<ZipEntry | UnreadEntry> {
  const bytes = asBuffer(content);
  const { listed, problem } = readDirectory(bytes);
  if (problem !== undefined) yield { name: "archive", offset: 0, unread: problem };
  let left = CONTENT_BYTES_MAX;
  let taken = 0;
  for (const entry of listed.toSorted((a, b) => a.begin - b.begin)) {
    const offset = dataOffset(bytes, entry.begin);
    const unread = (reason: string, at = offset ?? 0): UnreadEntry => ({
      name: entry.name,
      offset: at,
      unread: reason,
    });
    const end = (offset ?? 0) + entry.packedBytes;
    if (offset === undefined || end > bytes.length) yield unread("it is not where it should be");
    else if (entry.begin < taken) yield unread("it overlaps another entry");
    else {
      taken = end;
      const room = roomFor(entry, left);
      left -= room;
      const unpacked = unpack(bytes.subarray(offset, end), entry, room);
      if (typeof unpacked === "string") yield unread(unpacked);
      else {
        left += room - unpacked.length;
        yield { name: entry.name, offset, content: unpacked };
      }
    }
  }
}

/** Loaders differ in which of an archive's contradicting statements they follow, so one that contradicts itself is a problem. */
function readDirectory(bytes: Buffer): Directory {
  const end = findEnd(bytes);
  if (end === undefined) return { listed: [], problem: "there is no directory" };
  const listed: Listed[] = [];
  const begin = bytes.readUInt32LE(end + 16);
  let header = begin;
  while (header + CENTRAL_BYTES <= bytes.length && bytes.readUInt32LE(header) === CENTRAL) {
    if (listed.length === ENTRIES_MAX)
      return { listed, problem: `only ${ENTRIES_MAX} entries are looked at` };
    const nameBytes = bytes.readUInt16LE(header + 28);
    listed.push({
      name: bytes.toString("utf8", header + CENTRAL_BYTES, header + CENTRAL_BYTES + nameBytes),
      begin: bytes.readUInt32LE(header + 42),
      method: bytes.readUInt16LE(header + 10),
      encrypted: (bytes.readUInt16LE(header + 8) & 1) === 1,
      packedBytes: bytes.readUInt32LE(header + 20),
    });
    header +=
      CENTRAL_BYTES + nameBytes + bytes.readUInt16LE(header + 30) + bytes.readUInt16LE(header + 32);
  }
  const whole =
    listed.length === bytes.readUInt16LE(end + 10) &&
    header === begin + bytes.readUInt32LE(end + 12) &&
    header === endOfDirectory(bytes, end, begin);
  return whole ? { listed } : { listed, problem: "its directory contradicts itself" };
}

function findEnd(bytes: Buffer): number | undefined {
  const first = Math.max(0, bytes.length - END_BYTES - COMMENT_BYTES_MAX);
  for (let offset = bytes.length - END_BYTES; offset >= first; offset -= 1) {
    if (bytes.readUInt32LE(offset) === END) return offset;
  }
  return undefined;
}

/** Where the records of its end begin: those of zip64, which PyTorch always writes, come before the usual one. Undefined if they differ. */
function endOfDirectory(bytes: Buffer, end: number, begin: number): number | undefined {
  const locator = end - LOCATOR64_BYTES;
  if (locator < 0 || bytes.readUInt32LE(locator) !== LOCATOR64) return end;
  const end64 = locator - END64_BYTES;
  if (end64 < 0 || bytes.readUInt32LE(end64) !== END64) return undefined;
  const agrees =
    bytes.readBigUInt64LE(locator + 8) === BigInt(end64) &&
    bytes.readBigUInt64LE(end64 + 48) === BigInt(begin);
  return agrees ? end64 : undefined;
}

/** The local header repeats the name, with an extra field of its own length. */
function dataOffset(bytes: Buffer, header: number): number | undefined {
  if (header + LOCAL_BYTES > bytes.length || bytes.readUInt32LE(header) !== LOCAL) return undefined;
  return header + LOCAL_BYTES + bytes.readUInt16LE(header + 26) + bytes.readUInt16LE(header + 28);
}

/** The most that an entry can come to, or what there is left. */
function roomFor({ method, packedBytes }: Listed, left: number): number {
  const most =
    method === STORED ? packedBytes : packedBytes * DEFLATE_RATIO_MAX + DEFLATE_EXTRA_BYTES;
  return Math.min(left, most);
}

/** The content, or why there is none. */
function unpack(
  packed: Buffer,
  { method, encrypted }: Listed,
  bytesMax: number,
): Uint8Array | string {
  if (encrypted) return "it is encrypted";
  if (method !== STORED && method !== DEFLATED) return `its compression (${method}) is not known`;
  if (bytesMax === 0 && packed.length > 0) return TOO_MUCH;
  if (method === STORED) return packed.length > bytesMax ? TOO_MUCH : packed;
  try {
    return inflateRawSync(packed, { maxOutputLength: Math.max(1, bytesMax) });
  } catch (error) {
    const tooLarge =
      error instanceof Error && "code" in error && error.code === "ERR_BUFFER_TOO_LARGE";
    return tooLarge ? TOO_MUCH : "it is damaged";
  }
}

const TOO_MUCH = `only ${CONTENT_BYTES_MAX} bytes of all entries are looked at`;

function asBuffer({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}
