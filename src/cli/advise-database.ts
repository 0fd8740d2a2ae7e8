/** Which database is advised, and how it is read. */
import { readSnapshot } from "../advise/indexes/snapshot/read.ts";
import type { Snapshot } from "../advise/indexes/snapshot/snapshot.ts";
import type { DatabaseView } from "../core/observation.ts";
import { databaseView } from "../target/view.ts";
import type { Context } from "./context.ts";
import type { LoadOptions } from "./load.ts";
import { binariesOf } from "./postgres-bin.ts";
import type { Progress } from "./progress.ts";

export interface SourceOptions extends LoadOptions {
  readonly url?: string;
  readonly snapshot?: string;
  readonly target?: string;
  readonly scale?: string;
  readonly queries?: readonly string[];
  readonly postgresBin?: string;
}

/** The database of a URL, read only. */
export function viewOf(
  context: Context,
  url: string,
  options: Pick<SourceOptions, "postgresBin">,
  progress: Progress,
): DatabaseView {
  return databaseView({
    url,
    home: context.home,
    signal: context.signal,
    environment: context.env,
    onProgress: progress.say,
    ...binariesOf(context, options),
  });
}

export function snapshotOf(database: Pick<DatabaseView, "together">): Promise<Snapshot> {
  return database.together((query) => readSnapshot(query, { redact: "nothing", now: Date.now }));
}
