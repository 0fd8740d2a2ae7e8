/** Where a service's tracers put their sockets: a folder of one arm, with a path short enough for a socket. */
import { randomBytes } from "node:crypto";
import { mkdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import type { Resource } from "../core/event.ts";
import type { Note } from "./resources.ts";
import type { Undo } from "./stand.ts";

/** perfopt/tracer looks for the folder in it. */
export const TRACE_SOCKETS_VARIABLE = "PERFOPT_TRACE_SOCKETS";

/** Of a socket's path: Linux takes 107 bytes, macOS 103 (sun_path, less the zero at its end). */
const PATH_BYTES_MAX = 103;
/** `/4194304.sock`: the largest process id of Linux. */
const NAME_BYTES = 13;
const PREFIX = "perfopt-sockets-";

export interface SocketFolderOptions {
  /** Of the arm. */
  readonly folder: string;
  /** Of the arm, for the journal. */
  readonly id: string;
  readonly note: Note;
}

/** Closed to other users: whoever reaches a socket sees which keys are asked for. */
export async function openSocketFolder(
  { folder, id, note }: SocketFolderOptions,
  undo: Undo[],
): Promise<string> {
  const own = resolve(folder, "t");
  if (isShort(own)) {
    // The arm's folder stays when its logs are needed.
    undo.push(() => rm(own, { recursive: true, force: true }));
    await mkdir(own, { recursive: true, mode: 0o700 });
    return own;
  }
  const path = join(tmpdir(), `${PREFIX}${randomBytes(6).toString("hex")}`);
  const resource: Resource = { id: `${id}/sockets`, kind: "directory", path };
  await note({ type: "resource-creating", resource });
  undo.push(async () => {
    await rm(path, { recursive: true, force: true });
    await note({ type: "resource-removed", resourceId: resource.id });
  });
  // Fails where somebody else was first with this name.
  await mkdir(path, { mode: 0o700 });
  await note({ type: "resource-created", resource });
  return path;
}

function isShort(folder: string): boolean {
  return Buffer.byteLength(folder) + NAME_BYTES <= PATH_BYTES_MAX;
}

/** Whether a folder outside of perfopt's home is one that this file has made, so that recovery may remove it. */
export function isSocketFolder(path: string): boolean {
  const whole = resolve(path);
  return (
    dirname(whole) === resolve(tmpdir()) &&
    new RegExp(`^${PREFIX}[0-9a-f]{12}$`).test(basename(whole))
  );
}
