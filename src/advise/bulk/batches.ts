/** Batches of bulk writes: how large they can usefully be, and how many at a time. */
import type { Sample } from "../../core/sample.ts";

/** PostgreSQL's protocol counts the parameters of a statement in 16 bits. */
const PARAMETERS_MOST = 65_535;

/** Records that one import carries, the largest that was answered; undefined where none was. */
export function recordsOfImport({ load }: Sample): number | undefined {
  const each = (load.tasks ?? [])
    .filter((task) => task.kind === "ingest" && task.durationsMs.length > 0)
    .map((task) => Math.floor(task.records / task.durationsMs.length));
  const most = Math.max(0, ...each);
  return most > 0 ? most : undefined;
}

/** The most batches worth writing at a time: each has a connection, and the requests need one, too. */
export function parallelMost(present: number, poolMax: number | undefined): number | undefined {
  return poolMax === undefined ? undefined : Math.max(present, poolMax - 1);
}

/** Batches that have to be read ahead: one for each that is written, and the next. */
export function inFlightFor(parallel: number): number {
  return parallel + 1;
}

/** Where a batch is one statement with a parameter for each value, why a large one fails. */
export function parametersInWords(method: string): readonly string[] {
  return method === "insert"
    ? [
        `with the method insert each value is a parameter, of which PostgreSQL takes ${PARAMETERS_MOST} in a statement: a larger batch fails, which counts as a boundary`,
      ]
    : [];
}
