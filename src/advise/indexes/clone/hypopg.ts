/** The same questions asked of a server that has HypoPG: only on request, since it works in a session of the source itself. */
import { messageOf, PerfoptError } from "../../../core/errors.ts";
import {
  createIndexSql,
  indexBody,
  quoteName,
  type IndexDefinition,
  quoteText,
} from "../../../core/index-definition.ts";
import type { PlannerConnection } from "../../../core/planner.ts";
import type { Added, Explained, IndexSet, PlannableStatement, WhatIf } from "../what-if.ts";
import { explainSql, planOf, rootOf } from "./explain.ts";
import { readPlannable, type Plannable } from "./plannable.ts";

export interface HypopgOptions {
  /** For example 150018. */
  readonly serverVersion: number;
  /** A hypothetical partial index can crash the whole server (HypoPG's issue 116, open in 1.4.3): only for a server that may. */
  readonly partial?: boolean;
}

export interface Hypopg extends WhatIf {
  readonly version: string;
  readonly caveats: readonly string[];
}

/** HypoPG knows these methods, and more that perfopt never proposes. */
const METHODS = new Set(["btree", "brin", "hash"]);
/** hypopg_hide_index came with this version. */
const HIDES_FROM = 1.4;

interface Session {
  readonly connection: PlannerConnection;
  readonly major: number;
  readonly partial: boolean;
  /** The schema that the extension is in, quoted. */
  readonly schema: string;
  readonly hides: boolean;
  readonly entries: Map<
    string,
    { readonly body: string; readonly added: Promise<Added>; readonly sql: string }
  >;
  readonly read: Map<string, Promise<Plannable>>;
  readonly counts: { explains: number; hypotheticals: number };
  /** Set that the session shows now, and HypoPG's names of its indexes. */
  shown: { readonly key: string; readonly names: ReadonlyMap<string, string> } | undefined;
  /** The connection has one set at a time: questions wait for each other. */
  queue: Promise<unknown>;
}

/** Throws PerfoptError when the server has no HypoPG. The connection is the caller's, and used by nobody else meanwhile. */
export async function openHypopg(
  connection: PlannerConnection,
  options: HypopgOptions,
): Promise<Hypopg> {
  const [row] = await connection.query(
    "SELECT e.extversion AS version, n.nspname::text AS schema FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'hypopg'",
  );
  if (row === undefined) {
    throw new PerfoptError(
      "bad-input",
      "the database has no HypoPG",
      "run CREATE EXTENSION hypopg there, or leave the choice out: perfopt's own planner clone needs no extension",
    );
  }
  // It is the user's database: nothing is written there, and a text ends where the parser that checks statements says.
  await connection.query("SET default_transaction_read_only = on");
  await connection.query("SET standard_conforming_strings = on");
  const version = String(row["version"]);
  const session: Session = {
    connection,
    major: Math.floor(options.serverVersion / 10_000),
    partial: options.partial ?? false,
    schema: quoteName(String(row["schema"])),
    hides: Number.parseFloat(version) >= HIDES_FROM,
    entries: new Map(),
    read: new Map(),
    counts: { explains: 0, hypotheticals: 0 },
    shown: undefined,
    queue: Promise.resolve(),
  };
  return {
    version,
    caveats: [
      "HypoPG knows neither the height of an index nor deduplication: sizes come out two to three times too large, and costs a few percent off",
    ],
    counts: session.counts,
    add: (index) => addIndex(session, index),
    remove: async (name) => {
      session.entries.delete(name);
    },
    plan: (statement, set) => planStatement(session, statement, set),
  };
}

function addIndex(session: Session, index: IndexDefinition): Promise<Added> {
  const body = `${index.schema}.${index.table} ${indexBody(index)}`;
  const known = session.entries.get(index.name);
  if (known?.body === body) return known.added;
  const refusal = refusalOf(session, index, known !== undefined);
  if (refusal !== undefined) return Promise.resolve({ kind: "refused", because: refusal });
  const sql = createIndexSql(index, "plain");
  const added = alone(session, () => tryIndex(session, index, sql));
  session.entries.set(index.name, { body, added, sql });
  return added;
}

function refusalOf(session: Session, index: IndexDefinition, taken: boolean): string | undefined {
  const method = index.method ?? "btree";
  if (taken) return `another index is called ${index.name}: remove it first`;
  if (!METHODS.has(method)) return `HypoPG has no hypothetical ${method} indexes`;
  if (index.where !== undefined && !session.partial) {
    return "a hypothetical partial index of HypoPG can crash the server when a view reads the table";
  }
  return undefined;
}

async function tryIndex(session: Session, index: IndexDefinition, sql: string): Promise<Added> {
  try {
    await hideAll(session);
    const table = `${quoteName(index.schema)}.${quoteName(index.table)}`;
    const { schema } = session;
    const [created] = await session.connection.query(
      `SELECT indexrelid, ${schema}.hypopg_relation_size(indexrelid) AS bytes FROM ${schema}.hypopg_create_index($1)`,
      [sql],
    );
    if (created === undefined) throw new Error("HypoPG made nothing of it");
    await hideAll(session);
    const where = index.where === undefined ? "" : ` WHERE ${index.where}`;
    const results = await session.connection.script(
      `EXPLAIN (FORMAT JSON) SELECT FROM ${table}${where}`,
    );
    session.counts.hypotheticals += 1;
    return {
      kind: "added",
      bytes: Number(created["bytes"]),
      rows: rootOf(results)["Plan Rows"],
      height: undefined,
    };
  } catch (error) {
    return { kind: "refused", because: `HypoPG refused it: ${messageOf(error)}` };
  }
}

async function hideAll(session: Session): Promise<void> {
  session.shown = undefined;
  const { schema } = session;
  await session.connection.script(
    `SELECT ${schema}.hypopg_reset()${session.hides ? `; SELECT ${schema}.hypopg_unhide_all_indexes()` : ""}`,
  );
}

async function planStatement(
  session: Session,
  statement: PlannableStatement,
  set: IndexSet,
): Promise<Explained> {
  const read = session.read.get(statement.sql) ?? readPlannable(statement.sql);
  session.read.set(statement.sql, read);
  const question = await read;
  if (question.kind === "refused") return { kind: "failed", because: question.because };
  if ((set.without ?? []).length > 0 && !session.hides) {
    return { kind: "failed", because: `HypoPG hides existing indexes from ${HIDES_FROM} on` };
  }
  const missing = set.with.find((name) => !session.entries.has(name));
  if (missing !== undefined) return { kind: "failed", because: `no index ${missing} was added` };
  return alone(session, async (): Promise<Explained> => {
    try {
      const names = await show(session, set);
      session.counts.explains += 1;
      const generic = question.parameters > 0;
      const results = await session.connection.script(
        `${generic ? "BEGIN;" : ""} ${explainSql(question, session.major)} ${generic ? ";\nROLLBACK" : ""}`,
      );
      const plan = planOf(rootOf(results), (name) => names.get(name) ?? name);
      return { kind: "plan", plan };
    } catch (error) {
      session.shown = undefined;
      await session.connection.script("ROLLBACK; DEALLOCATE ALL");
      return { kind: "failed", because: messageOf(error) };
    }
  });
}

/** Makes the set anew unless it is there: HypoPG's indexes are a few bytes of the session's memory. */
async function show(session: Session, set: IndexSet): Promise<ReadonlyMap<string, string>> {
  const key = JSON.stringify([set.with, set.without ?? []]);
  if (session.shown?.key === key) return session.shown.names;
  await hideAll(session);
  const names = new Map<string, string>();
  const { schema } = session;
  for (const name of set.with) {
    const entry = session.entries.get(name);
    if (entry === undefined) continue;
    const [created] = await session.connection.query(
      `SELECT indexname::text AS name FROM ${schema}.hypopg_create_index($1)`,
      [entry.sql],
    );
    names.set(String(created?.["name"]), name);
  }
  const hidden = (set.without ?? []).map((name) => {
    const [inSchema = "", ...rest] = name.split(".");
    const index = `${quoteName(inSchema)}.${quoteName(rest.join("."))}`;
    return `SELECT ${schema}.hypopg_hide_index(${quoteText(index)}::regclass)`;
  });
  if (hidden.length > 0) await session.connection.script(hidden.join(";"));
  session.shown = { key, names };
  return names;
}

function alone<T>(session: Session, work: () => Promise<T>): Promise<T> {
  const result = session.queue.then(work);
  session.queue = result.catch(() => {});
  return result;
}
