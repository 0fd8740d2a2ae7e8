/** The workload of PostgreSQL's log: logged durations, logged statements, and plans of auto_explain, with the values they ran with. */
import { PerfoptError } from "../../../core/errors.ts";
import type { IndexWorkload } from "../statement.ts";
import { newGathering } from "./gather.ts";
import type { Gathering } from "./gather.ts";
import { entriesOf } from "./log-entries.ts";
import type { Lines, LogFormat } from "./log-entries.ts";
import { readMessage } from "./log-message.ts";
import type { LogEvent } from "./log-message.ts";
import { splitScript } from "./script.ts";

export interface LogOptions {
  readonly format: LogFormat;
  /** Entries of other databases are passed over, where the log says which one it was. */
  readonly database?: string;
}

/** Sessions whose statement has begun and not ended yet, at most. */
const OPEN_MAX = 10_000;

interface Counts {
  events: number;
  unread: number;
  otherDatabases: number;
}

export async function workloadOfLog(
  lines: Lines,
  name: string,
  options: LogOptions,
): Promise<IndexWorkload> {
  const gathering = await newGathering();
  const counts: Counts = { events: 0, unread: 0, otherDatabases: 0 };
  const open = new Map<string, Extract<LogEvent, { kind: "began" }>>();
  for await (const entry of entriesOf(lines, options.format, () => (counts.unread += 1))) {
    const event = readMessage(entry);
    if (!event || entry.application === "perfopt") continue;
    if (isOther(entry.database, options.database)) counts.otherDatabases += 1;
    else {
      counts.events += 1;
      take(event, entry.session, open, gathering);
    }
  }
  // Without log_duration nobody says how long they took.
  for (const event of open.values()) addRun(gathering, event);
  if (counts.events === 0) throw nothingRead(name, options, counts);
  addCaveats(gathering, counts);
  return gathering.finish(name);
}

function take(
  event: LogEvent,
  session: string,
  open: Map<string, Extract<LogEvent, { kind: "began" }>>,
  gathering: Gathering,
): void {
  if (event.kind === "ran") return addRun(gathering, event);
  const begun = open.get(session);
  open.delete(session);
  if (event.kind === "ended") {
    if (begun) addRun(gathering, { ...begun, kind: "ran", ms: event.ms, reported: "duration" });
    return;
  }
  if (begun) addRun(gathering, begun);
  const [oldest] = open;
  if (open.size >= OPEN_MAX && oldest) {
    open.delete(oldest[0]);
    addRun(gathering, oldest[1]);
  }
  open.set(session, event);
}

const NO_WORK =
  /^(?:begin|start|commit|end|rollback|abort|savepoint|release|set|reset|show|discard|deallocate)\b/i;

/** Several statements in one message share its time; which of them a plan was of is not known. */
function addRun(
  gathering: Gathering,
  event: Extract<LogEvent, { kind: "ran" } | { kind: "began" }>,
): void {
  const parts = event.sql.includes(";")
    ? splitScript(event.sql).statements.map((each) => each.text)
    : [event.sql];
  const working = parts.length > 1 ? parts.filter((part) => !NO_WORK.test(part)) : parts;
  const reported = event.kind === "ran" ? event.reported : "duration";
  if (reported === "plan" && working.length > 1) return;
  for (const sql of working) {
    gathering.add({
      sql,
      calls: 1,
      reported,
      ...(event.kind === "ran" ? { totalMs: event.ms / working.length } : {}),
      ...(event.kind === "ran" && event.rows !== undefined ? { rows: event.rows } : {}),
      ...(event.values === undefined ? {} : { values: event.values }),
    });
  }
}

function isOther(database: string | undefined, wanted: string | undefined): boolean {
  return wanted !== undefined && database !== undefined && database !== "" && database !== wanted;
}

function addCaveats(gathering: Gathering, counts: Counts): void {
  gathering.caveat(
    "a log has only what the server was told to log (log_min_duration_statement, auto_explain.log_min_duration, sampling): what is quick and frequent may be missing",
  );
  if (counts.unread > 0) {
    gathering.caveat(`${counts.unread} lines of the log were not understood and passed over`);
  }
  if (counts.otherDatabases > 0) {
    gathering.caveat(`${counts.otherDatabases} entries of other databases were passed over`);
  }
}

function nothingRead(name: string, options: LogOptions, counts: Counts): PerfoptError {
  const others =
    counts.otherDatabases > 0 ? ` of ${options.database ?? "it"} (there are of others)` : "";
  return new PerfoptError(
    "bad-input",
    `${name} was read as PostgreSQL's ${options.format} log, and no statement${others} was found in it`,
    "set log_min_duration_statement (or auto_explain.log_min_duration) and let it log for a while; messages have to be in English (lc_messages)",
  );
}
