/** Reads what a tracer wrote, as the text that it is. */
import { readFile } from "node:fs/promises";

export interface WrittenRow {
  readonly time: number;
  readonly key: string;
  readonly prefix: string;
  readonly size: string;
  readonly op: string;
  readonly ttl: string;
  readonly cost: string;
  readonly outcome: string;
  readonly process: string;
  readonly keyBytes: string;
}

export interface Written {
  readonly text: string;
  readonly rows: readonly WrittenRow[];
  readonly comments: readonly string[];
}

export async function readWritten(path: string): Promise<Written> {
  return written(await readFile(path, "utf8"));
}

export function written(text: string): Written {
  const lines = text.split("\n").filter((line) => line !== "");
  return {
    text,
    comments: lines.filter((line) => line.startsWith("#")),
    rows: lines
      .filter((line) => !line.startsWith("#") && !line.startsWith("time,"))
      .map((line) => {
        const [time, key, prefix, size, op, ttl, cost, outcome, process, keyBytes, ...more] =
          line.split(",");
        if (keyBytes === undefined || more.length > 0) throw new Error(`not a row: ${line}`);
        return {
          time: Number(time),
          key: key ?? "",
          prefix: prefix ?? "",
          size: size ?? "",
          op: op ?? "",
          ttl: ttl ?? "",
          cost: cost ?? "",
          outcome: outcome ?? "",
          process: process ?? "",
          keyBytes,
        };
      }),
  };
}

/** `get miss`, `load 5 60000`, `delete`: what was done, without times and keys. */
export function doings({ rows }: Written): readonly string[] {
  return rows.map((row) =>
    [row.op, row.outcome, row.size, row.ttl].filter((each) => each !== "").join(" "),
  );
}
