/** The journal's writer: one JSON line an event, on disk before anything else happens. */
import { open, readFile, type FileHandle } from "node:fs/promises";
import { dirname } from "node:path";
import { PerfoptError } from "../core/errors.ts";
import type { Entry, RunEvent } from "../core/event.ts";
import type { Journal } from "../core/ports.ts";
import { parseJournal } from "./read.ts";

export interface OpenJournal extends Journal {
  readonly path: string;
  close(): Promise<void>;
}

/** Creates the journal of a new run; refuses a path that exists, so that no run writes into another's record. */
export async function openJournal(path: string): Promise<OpenJournal> {
  const file = await createFile(path);
  await syncFolder(dirname(path));
  return writer(path, file, 1);
}

/** Opens the journal of a run that ended badly, to record its rollback; a line torn by a crash is cut off first. */
export async function reopenJournal(path: string): Promise<OpenJournal> {
  const bytes = await readFile(path);
  const { entries, wholeBytes } = parseJournal(bytes, path);
  const file = await open(path, "r+");
  await file.truncate(wholeBytes);
  await file.datasync();
  return writer(path, file, (entries.at(-1)?.seq ?? 0) + 1, wholeBytes);
}

async function createFile(path: string): Promise<FileHandle> {
  try {
    return await open(path, "wx");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") {
      throw new PerfoptError(
        "bad-input",
        `${path} exists already and belongs to another run`,
        "choose another report folder, or start again: its name holds the time",
        { cause: error },
      );
    }
    throw error;
  }
}

function writer(path: string, file: FileHandle, firstSeq: number, firstByte = 0): OpenJournal {
  let seq = firstSeq;
  let position = firstByte;
  let broken: unknown;
  let last: Promise<void> = Promise.resolve();
  const write = async (event: RunEvent): Promise<void> => {
    // After a write that failed the file's end is unknown: a later line would hide the gap.
    if (broken !== undefined) throw broken;
    const entry: Entry = { seq, at: new Date().toISOString(), event };
    const line = Buffer.from(`${JSON.stringify(entry)}\n`);
    try {
      await writeAll(file, line, position);
      await file.datasync();
    } catch (error) {
      broken = error;
      throw error;
    }
    seq += 1;
    position += line.length;
  };
  return {
    path,
    append: (event) => {
      const written = last.then(() => write(event));
      last = written.catch(() => {});
      return written;
    },
    close: async () => {
      await last;
      await file.close();
    },
  };
}

/** A write may be short, for example when the disk is nearly full. */
async function writeAll(file: FileHandle, bytes: Buffer, position: number): Promise<void> {
  let done = 0;
  while (done < bytes.length) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done);
    if (bytesWritten === 0) throw new Error("the journal could not be written: no space is left");
    done += bytesWritten;
  }
}

/** Makes the new file's name durable, not only its contents. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
