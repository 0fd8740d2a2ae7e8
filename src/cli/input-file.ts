/** A file that a user named, as a stream: unpacked when its name ends in .gz, standard input for `-`. */
import { createReadStream } from "node:fs";
import { resolve } from "node:path";
import type { Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import type { Context } from "./context.ts";

export function openInput(context: Pick<Context, "directory">, file: string): Readable {
  if (file === "-") return process.stdin;
  const raw = createReadStream(resolve(context.directory, file));
  if (!file.endsWith(".gz")) return raw;
  const unpacked = createGunzip();
  raw.on("error", (error) => unpacked.destroy(error));
  return raw.pipe(unpacked);
}
