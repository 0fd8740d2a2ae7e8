// Builds zip archives for tests, also such as no honest program writes.

const latin1 = (text: string): Buffer => Buffer.from(text, "latin1");

export type Entry = {
  readonly name: string;
  readonly method: number;
  readonly packed: Buffer;
  readonly size: number;
  /** What the directory says instead of where it is. */
  readonly at?: number;
  readonly encrypted?: boolean;
};

/** The least that is an archive: local headers, the directory, its end. */
export function zip(entries: readonly Entry[]): Buffer {
  const locals: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const { name, method, packed, size, at, encrypted = false } of entries) {
    const shared = Buffer.alloc(26);
    shared.writeUInt16LE(20, 0);
    shared.writeUInt16LE(encrypted ? 1 : 0, 2);
    shared.writeUInt16LE(method, 4);
    shared.writeUInt32LE(packed.length, 14);
    shared.writeUInt32LE(size, 18);
    shared.writeUInt16LE(name.length, 22);
    const local = Buffer.concat([latin1("PK\x03\x04"), shared, latin1(name), packed]);
    const central = Buffer.alloc(14);
    central.writeUInt32LE(at ?? offset, 10);
    directory.push(latin1("PK\x01\x02\x14\x00"), shared, central, latin1(name));
    locals.push(local);
    offset += local.length;
  }
  const end = Buffer.alloc(18);
  end.writeUInt16LE(entries.length, 4);
  end.writeUInt16LE(entries.length, 6);
  end.writeUInt32LE(Buffer.concat(directory).length, 8);
  end.writeUInt32LE(offset, 12);
  return Buffer.concat([...locals, ...directory, latin1("PK\x05\x06"), end]);
}
