/** Where the accesses that cache advice is about come from: a file, a Redis that is watched for a while, or a target under its own load. */
import { readTrace } from "../advise/cache/trace/read.ts";
import type { PresentCache } from "../advise/cache/question.ts";
import { messageOf, PerfoptError } from "../core/errors.ts";
import { parseBytes } from "../core/units.ts";
import { captureRedis } from "./advise-cache-capture.ts";
import { observeTarget } from "./advise-cache-target.ts";
import type { CacheSource, CacheSourceOptions } from "./cache-source.ts";
import type { Context } from "./context.ts";
import { openInput } from "./input-file.ts";
import { given } from "./parsed-options.ts";
import type { Progress } from "./progress.ts";

/** A target that was started for it runs until `use` returns or throws. */
export async function withCacheSource<T>(
  context: Context,
  options: CacheSourceOptions,
  progress: Progress,
  use: (source: CacheSource) => Promise<T>,
): Promise<T> {
  refuseContradictions(options);
  const told = presentTold(options);
  const completed = (source: CacheSource): CacheSource =>
    told === undefined ? source : { ...source, present: { ...source.present, ...told } };
  if (options.trace !== undefined)
    return use(completed(await ofFile(context, options.trace, progress)));
  if (options.url !== undefined)
    return use(completed(await captureRedis(context, options, options.url, progress)));
  return observeTarget(context, options, progress, (source) => use(completed(source)));
}

function refuseContradictions({ trace, url, target }: CacheSourceOptions): void {
  const named = [
    ...(trace === undefined ? [] : ["--trace"]),
    ...(url === undefined ? [] : ["--url"]),
    ...(target === undefined ? [] : ["--target"]),
  ];
  if (named.length < 2) return;
  throw new PerfoptError(
    "bad-input",
    `${named.join(" and ")} name two sources of accesses`,
    "give one of them",
  );
}

/** What the user says of the cache as it is. */
function presentTold({ maxmemory, policy }: CacheSourceOptions): PresentCache | undefined {
  const maxmemoryBytes = given(maxmemory, "--maxmemory", parseBytes, "a size such as 128mb");
  if (maxmemoryBytes === undefined && policy === undefined) return undefined;
  return {
    ...(maxmemoryBytes === undefined ? {} : { maxmemoryBytes }),
    ...(policy === undefined ? {} : { policy }),
  };
}

async function ofFile(context: Context, file: string, progress: Progress): Promise<CacheSource> {
  const name = file === "-" ? "stdin" : file;
  progress.say(`reading ${name}`);
  const input = openInput(context, file);
  try {
    return { trace: await readTrace(input, name.replace(/\.gz$/, "")), sampling: {}, caveats: [] };
  } catch (error) {
    if (error instanceof PerfoptError) throw error;
    throw new PerfoptError(
      "bad-input",
      `--trace ${file} could not be read: ${messageOf(error)}`,
      isSystemError(error)
        ? "check that the file is there, whole, and may be read"
        : "give CSV with a header (time,key,size,op), JSON Lines, or what MONITOR prints",
    );
  } finally {
    input.destroy();
  }
}

/** Of the file system or of unpacking, not of what stands in the file. */
function isSystemError(error: unknown): boolean {
  return error instanceof Error && "code" in error;
}
