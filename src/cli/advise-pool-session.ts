/** One round of pool advice: a sweep read or measured, and the advice computed of it. */
import { advisePool, type PoolQuestion } from "../advise/concurrency/pool/advise.ts";
import type { PoolAdvice } from "../core/pool-advice.ts";
import { closeLoad } from "../load/engine.ts";
import { readPoolCsv } from "./advise-pool-csv.ts";
import { toldOf, type PoolOptions, type Told } from "./advise-pool-options.ts";
import { sweepTarget } from "./advise-pool-target.ts";
import { sweepUrl } from "./advise-pool-url.ts";
import type { Context } from "./context.ts";
import { progressOf } from "./progress.ts";

const RESERVED = 3;

/** Throws bad-input for what is no number or no sweep, cannot-measure when nothing of it can be used. */
export async function runPoolAdvice(context: Context, options: PoolOptions): Promise<PoolAdvice> {
  const told = toldOf(options);
  if (options.csv !== undefined) return adviseCsv(context, options.csv, told);
  const progress = progressOf(context);
  try {
    return options.url === undefined
      ? await sweepTarget(context, options, told, progress)
      : await sweepUrl(context, options, options.url, told, progress);
  } finally {
    await closeLoad();
    progress.stop();
  }
}

async function adviseCsv(context: Context, file: string, told: Told): Promise<PoolAdvice> {
  const { subject, measurements, caveats } = await readPoolCsv(context, file);
  const { seed, cores, present, deadlock } = told;
  const server = serverOf(told);
  const { processes } = told;
  return advisePool({
    source: file === "-" ? "stdin" : file,
    subject,
    measurements,
    seed,
    ...(cores === undefined ? {} : { cores }),
    ...(present === undefined ? {} : { present }),
    // Clients are those of all processes; a pool is that of one.
    ...(subject === "connections" && processes !== undefined && processes > 1 ? { processes } : {}),
    ...(deadlock ? { deadlock } : {}),
    ...(server ? { server } : {}),
    caveats: [
      ...caveats,
      ...(server
        ? []
        : [
            "what the server leaves to this pool is not known: give --max-connections, and --processes where there are several",
          ]),
      ...(cores === undefined ? ["formulas need the database's --cores"] : []),
    ],
  });
}

/** Undefined where nobody said how many the server takes. */
function serverOf({
  maxConnections,
  reserved,
  others,
  processes,
  copies,
}: Told): PoolQuestion["server"] {
  if (maxConnections === undefined) return undefined;
  return {
    maxConnections,
    reserved: reserved ?? RESERVED,
    others: others ?? 0,
    processes: processes ?? 1,
    copies,
  };
}
