/** The list of runs of this machine, so that status and rollback find them from any folder. */
import { mkdir, open, readFile } from "node:fs/promises";
import { join } from "node:path";

export interface RunRecord {
  /**
   * Absent: a run. The others change nothing by themselves, and are here for what a crash of theirs leaves behind; a sequence besides
   * for the runs that belong to it.
   */
  readonly kind?: "bench" | "gate" | "sequence";
  /** Of a run that was part of one: the id of the sequence. */
  readonly sequence?: string;
  readonly id: string;
  /** ISO 8601, UTC. */
  readonly startedAt: string;
  readonly persona: string;
  readonly target: string;
  /** Of the target file, absolute: rollback needs it to reach the target again. */
  readonly targetPath: string;
  readonly scale: string | undefined;
  /** Of the seeded data. */
  readonly seed: number;
  /** Absolute. */
  readonly journalPath: string;
}

/** Appends a run to the list; on disk when it returns. */
export async function registerRun(home: string, record: RunRecord): Promise<void> {
  await mkdir(home, { recursive: true });
  const path = indexPath(home);
  const torn = !(await endsWithNewline(path));
  const file = await open(path, "a");
  try {
    // One write with O_APPEND: two runs that start together do not mix their lines.
    await file.write(`${torn ? "\n" : ""}${JSON.stringify(record)}\n`);
    await file.datasync();
  } finally {
    await file.close();
  }
}

/** The runs in the order they began. A line that a crash tore is left out: that run never started. */
export async function listRuns(home: string): Promise<readonly RunRecord[]> {
  const text = await readIndex(indexPath(home));
  return text.split("\n").flatMap((line) => {
    const record = parse(line);
    return record ? [record] : [];
  });
}

function indexPath(home: string): string {
  return join(home, "runs.jsonl");
}

async function endsWithNewline(path: string): Promise<boolean> {
  const text = await readIndex(path);
  return text === "" || text.endsWith("\n");
}

async function readIndex(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return "";
    throw error;
  }
}

function parse(line: string): RunRecord | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  return isRecord(value) ? value : undefined;
}

function isRecord(value: unknown): value is RunRecord {
  if (typeof value !== "object" || value === null) return false;
  const fields = ["id", "startedAt", "persona", "target", "targetPath", "journalPath"];
  const found = new Map<string, unknown>(Object.entries(value));
  return fields.every((field) => typeof found.get(field) === "string");
}
