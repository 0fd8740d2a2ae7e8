/** Who listens on a port of this machine, from Linux's /proc. */
import { readdir, readFile, readlink } from "node:fs/promises";
import { allPids } from "./proc.ts";

const TABLES = ["/proc/net/tcp", "/proc/net/tcp6"];
const LISTENING = "0A";

/** The sockets, by inode; undefined where the system does not list them. */
export async function listeningSockets(port: number): Promise<readonly string[] | undefined> {
  const tables = await Promise.all(TABLES.map((path) => readFile(path, "utf8").catch(() => "")));
  if (tables.every((text) => text === "")) return undefined;
  return tables.flatMap((text) => socketsIn(text, port));
}

/** Columns by proc(5): slot, local address and port in hexadecimal, remote ones, state, ..., inode in the tenth. */
function socketsIn(table: string, port: number): readonly string[] {
  const wanted = port.toString(16).toUpperCase().padStart(4, "0");
  return table.split("\n").flatMap((line) => {
    const columns = line.trim().split(/\s+/);
    const [, local = "", , state] = columns;
    const inode = columns[9];
    return state === LISTENING && local.endsWith(`:${wanted}`) && inode !== undefined
      ? [inode]
      : [];
  });
}

export interface Holder {
  /** Of the first process that has one of the sockets open. */
  readonly pid: number | undefined;
  /** Whether every process could be looked into. */
  readonly complete: boolean;
}

/** Looks through these processes; through all without them. */
export async function findHolder(
  sockets: readonly string[],
  pids?: readonly number[],
): Promise<Holder> {
  const links = new Set(sockets.map((inode) => `socket:[${inode}]`));
  let complete = true;
  for (const pid of sockets.length === 0 ? [] : (pids ?? (await allPids()))) {
    const files = await openFiles(pid);
    if (!files) complete = false;
    else if (files.some((file) => links.has(file))) return { pid, complete };
  }
  return { pid: undefined, complete };
}

/** Undefined for a process of another user; empty for one that is gone. */
async function openFiles(pid: number): Promise<readonly string[] | undefined> {
  try {
    const names = await readdir(`/proc/${pid}/fd`);
    const file = (name: string) => readlink(`/proc/${pid}/fd/${name}`).catch(() => "");
    return await Promise.all(names.map(file));
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    return code === "EACCES" || code === "EPERM" ? undefined : [];
  }
}
