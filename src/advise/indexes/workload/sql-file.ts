/** The workload of an SQL file: its statements, with names and weights from the comments before them. */
import type { IndexWorkload } from "../statement.ts";
import { newGathering } from "./gather.ts";
import type { Observed } from "./gather.ts";
import { splitScript } from "./script.ts";

/**
 * Comments that mean something: `-- Q7` or `-- name: report` (a name), `-- calls: 120` and `-- mean_ms: 3.4` or
 * `-- total_ms: 408` (weights).
 */
export async function workloadOfSql(text: string, name: string): Promise<IndexWorkload> {
  const gathering = await newGathering();
  const { statements, commands } = splitScript(text);
  const read = statements.map((each) => ({ sql: each.text, ...directivesOf(each.comments) }));
  const weighed = read.some((each) => each.calls !== undefined || each.totalMs !== undefined);
  for (const each of read) {
    // Beside statements that have counts, one without was meant to run once.
    gathering.add(weighed && each.calls === undefined ? { calls: 1, ...each } : each);
  }
  for (const command of commands) gathering.leaveOut(command, "it is a command of psql");
  return gathering.finish(name);
}

const NAME = /^(?:name\s*[:=]\s*)?([A-Za-z0-9][\w.#/-]*)(?:\s+:\w+)?$/i;
const LONG_NAME = /^name\s*[:=]\s*(\S.*)$/i;
const WEIGHT = /^(calls|mean_ms|total_ms)\s*[:=]\s*(\d+(?:\.\d+)?)$/i;

function directivesOf(comments: readonly string[]): Omit<Observed, "sql"> {
  let id: string | undefined;
  const weights = new Map<string, number>();
  for (const comment of comments) {
    const weight = WEIGHT.exec(comment);
    const named = NAME.exec(comment) ?? LONG_NAME.exec(comment);
    if (weight) weights.set((weight[1] ?? "").toLowerCase(), Number(weight[2]));
    else if (named) id ??= named[1];
  }
  const calls = weights.get("calls");
  const mean = weights.get("mean_ms");
  const totalMs = weights.get("total_ms") ?? (mean === undefined ? undefined : mean * (calls ?? 1));
  return {
    ...(id === undefined ? {} : { id }),
    ...(calls === undefined ? {} : { calls }),
    ...(totalMs === undefined ? {} : { totalMs }),
  };
}
