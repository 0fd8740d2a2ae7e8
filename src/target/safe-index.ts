/**
 * Builds and drops an index on a database in use. A concurrent build that fails leaves an invalid index which costs every
 * write and serves no read, and `IF NOT EXISTS` then reports success; so the catalog is asked after every step.
 */
import type { Client } from "pg";
import { DirtyTargetError, messageOf, PerfoptError, throwIfAborted } from "../core/errors.ts";
import { qualifiedName, type IndexDefinition } from "../core/index-definition.ts";
import { indexSteps, type IndexStep } from "../core/partitioned-index.ts";
import { formatBytes, formatDuration } from "../core/units.ts";
import { checkDisk } from "./index-disk.ts";
import { withIndexSession } from "./index-session.ts";
import {
  readIndexState,
  readPartitionTree,
  signatureOf,
  sqlStateOf,
  type IndexState,
} from "./index-state.ts";
import { readersOf, useInWords, type IndexUse, type StatementToRead } from "./index-use.ts";
import { removeIndex } from "./index-removal.ts";
import {
  underShortLock,
  unseenSessions,
  waitForLock,
  waitUntilBuildable,
  type WaitLimits,
} from "./index-waits.ts";
import { cancelledOnAbort } from "./sql.ts";

export interface IndexLimits extends WaitLimits {
  /** Of each statement; a partitioned table has one for every partition. */
  readonly buildTimeoutMs: number;
}

export const defaultIndexLimits: IndexLimits = {
  snapshotAgeMs: 2_000,
  snapshotWaitMs: 30_000,
  buildTimeoutMs: 30 * 60_000,
};

export interface IndexJob {
  readonly url: string;
  readonly index: IndexDefinition;
  readonly limits: IndexLimits;
  readonly signal: AbortSignal;
  /** Of the server, when it is on this machine: its free space is checked. */
  readonly dataFolder: string | undefined;
  /** Of the advice; absent: estimated from the planner's statistics. */
  readonly estimatedBytes?: number;
  /** An invalid index of this name is what an earlier build of perfopt left. */
  readonly own: boolean;
  /** Whose plans have to read it afterwards; when none does, the result says so. */
  readonly statements?: readonly StatementToRead[];
  /** Called when nothing speaks against the build any more, right before it. */
  readonly beforeBuild: () => Promise<void>;
}

export interface BuiltIndex {
  /** One sentence on what was verified. */
  readonly detail: string;
  /** False: it was there, whole, and perfopt's own. */
  readonly built: boolean;
  readonly bytes: number;
  readonly buildMs: number | undefined;
  /** Undefined when no statements were given. */
  readonly use: IndexUse | undefined;
}

/** Another perfopt that works on this database is not waited for: it may build for hours. */
const BUILD_LOCK_WAIT_MS = 2_000;
const DROP_LOCK_WAIT_MS = 30_000;
/** Undoing must not wait for a forgotten transaction without end. */
const DROP_TIMEOUT_MS = 120_000;
/** The second is of who asks for a name in the very moment in which another gets it; no index here is a unique one. */
const NAME_TAKEN: ReadonlySet<string | undefined> = new Set(["42P07", "23505"]);
const READ_ONLY = "25006";

/** Throws PerfoptError with nothing left behind; a DirtyTargetError, should something be left. */
export async function buildIndex(job: IndexJob): Promise<BuiltIndex> {
  let building: number | undefined;
  const mine = new Set<string>();
  const session = { statementTimeoutMs: job.limits.buildTimeoutMs, lockWaitMs: BUILD_LOCK_WAIT_MS };
  try {
    return await withIndexSession(job.url, session, async ({ client, pid }) => {
      const tree = await readPartitionTree(client, job.index);
      const steps = indexSteps(job.index, tree);
      const table = { ...job.index, limits: job.limits, signal: job.signal };
      await waitForLock(client, table, "ACCESS SHARE");
      const signature = await checkedSignature(client, job.index);
      const there = await ownIndexes(client, job, steps, signature);
      if (there.get(nameOf(job.index))?.valid) return verified(client, job, steps, undefined);
      const disk = await checkDisk(client, job);
      await waitUntilBuildable(client, table);
      const unseen = await unseenSessions(client);
      const notes = unseen === undefined ? disk : `${disk}; ${unseen}`;
      await job.beforeBuild();
      building = pid;
      const started = performance.now();
      for (const name of there.keys()) mine.add(name);
      for (const step of steps) await take(step, client, job, mine);
      return verified(client, job, steps, { ms: performance.now() - started, notes });
    });
  } catch (error) {
    if (building === undefined) throw error;
    throw await cleanedUp(job, { building, mine }, error);
  }
}

/** Drops an index if it is there, with those of its partitions; idempotent. Ends a build of it that a killed perfopt left running. */
export function dropIndex(
  job: Pick<IndexJob, "url" | "index">,
  endFirst?: number,
  only?: ReadonlySet<string>,
): Promise<string> {
  const session = {
    statementTimeoutMs: DROP_TIMEOUT_MS,
    lockWaitMs: DROP_LOCK_WAIT_MS,
    ...(endFirst === undefined ? {} : { endFirst }),
  };
  return withIndexSession(job.url, session, ({ client }) => removeIndex(client, job.index, only));
}

/** What is wrong with a definition is found on an empty copy of the table, before anything is done to the real one. */
async function checkedSignature(
  client: Client,
  index: IndexDefinition,
): Promise<string | undefined> {
  try {
    return await signatureOf(client, index);
  } catch (error) {
    if (sqlStateOf(error) === READ_ONLY) {
      throw new PerfoptError(
        "bad-input",
        `index ${index.name} cannot be built: ${messageOf(error)}`,
        "the database is a standby, or default_transaction_read_only is on for it or for this role: give one that may be written to",
        { cause: error },
      );
    }
    throw new PerfoptError(
      "bad-input",
      `PostgreSQL does not take index ${index.name}: ${messageOf(error)}`,
      "check that the table is as it was when the index was advised",
      { cause: error },
    );
  }
}

/** What perfopt has built of it already, partitions' indexes included, by name; anybody else's of such a name stay untouched. */
async function ownIndexes(
  client: Client,
  { own }: IndexJob,
  steps: readonly IndexStep[],
  signature: string | undefined,
): Promise<ReadonlyMap<string, IndexState>> {
  const states = new Map<string, IndexState>();
  for (const step of steps) {
    const state = await readIndexState(client, step.index);
    if (!state) continue;
    if (!own || !isSame(state, step.index, signature)) throw inTheWay(step.index, state, own);
    states.set(nameOf(step.index), state);
  }
  return states;
}

function nameOf({ schema, name }: Pick<IndexDefinition, "schema" | "name">): string {
  return qualifiedName(schema, name);
}

function inTheWay(index: IndexDefinition, state: IndexState, own: boolean): PerfoptError {
  const name = qualifiedName(index.schema, index.name);
  const what = `an ${state.valid ? "" : "invalid "}index ${name} is there already`;
  if (own) {
    return new PerfoptError(
      "cannot-measure",
      `${what}, and it is another one than this`,
      `drop it first: DROP INDEX CONCURRENTLY ${name}`,
    );
  }
  return new PerfoptError(
    "cannot-measure",
    `${what}, and perfopt did not make it`,
    state.valid
      ? "nothing has to be built; drop it first if it should be measured again"
      : `drop it yourself: DROP INDEX CONCURRENTLY ${name}`,
  );
}

function isSame(state: IndexState, index: IndexDefinition, signature: string | undefined): boolean {
  return state.table === index.table && (signature === undefined || state.signature === signature);
}

/** One statement, unless its work is done: what a killed perfopt has left is gone on with. `mine` gets its name. */
async function take(
  step: IndexStep,
  client: Client,
  job: IndexJob,
  mine: Set<string>,
): Promise<void> {
  const { index } = step;
  throwIfAborted(job.signal);
  const state = await readIndexState(client, index);
  // Made by somebody else in the meantime: theirs.
  if (state && !mine.has(nameOf(index))) throw inTheWay(index, state, false);
  switch (step.kind) {
    case "parent":
      if (state) return;
      await create(index, mine, () => underShortLock(client, step.sql, job.signal));
      return;
    case "attach":
      if (!state?.attached) await underShortLock(client, step.sql, job.signal);
      return;
    case "leaf":
      if (state?.valid) return;
      if (state) await removeIndex(client, index);
      await waitUntilBuildable(client, { ...index, limits: job.limits, signal: job.signal });
      await client.query(`SET statement_timeout = ${job.limits.buildTimeoutMs}`);
      // A lock timeout is what leaves invalid indexes behind: the waits are bounded by the statement's own limit.
      await client.query("SET lock_timeout = 0");
      await create(index, mine, () => cancelledOnAbort(client, job, () => client.query(step.sql)));
      if (!(await readIndexState(client, index))?.valid) {
        throw new Error(`the catalog calls ${index.name} invalid after the build`);
      }
  }
}

/** Also what fails may have left something under the name, unless the name was somebody else's. */
async function create(
  index: IndexDefinition,
  mine: Set<string>,
  statement: () => Promise<unknown>,
): Promise<void> {
  mine.add(nameOf(index));
  try {
    await statement();
  } catch (error) {
    if (NAME_TAKEN.has(sqlStateOf(error))) mine.delete(nameOf(index));
    throw error;
  }
}

/** The catalog's word and the planner's: valid, and read by the statements that it is for. */
async function verified(
  client: Client,
  job: IndexJob,
  steps: readonly IndexStep[],
  build: { readonly ms: number; readonly notes: string } | undefined,
): Promise<BuiltIndex> {
  const { index } = job;
  const state = await readIndexState(client, index);
  if (!state?.valid) {
    throw new Error(`the catalog calls it ${state ? "invalid" : "missing"} after the build`);
  }
  const analysed = build ? await analyse(client, index) : "";
  const names = steps.map((step) => step.index.name);
  const use =
    job.statements === undefined ? undefined : await readersOf(client, names, job.statements);
  const table = qualifiedName(index.schema, index.table);
  const detail = build
    ? `index ${index.name} on ${table} built concurrently in ${formatDuration(build.ms)}, valid and ready by the catalog, ${formatBytes(state.bytes)}; ${analysed}; ${build.notes}`
    : `index ${index.name} is there already, valid by the catalog`;
  return {
    detail: use ? `${detail}; ${useInWords(use)}` : detail,
    built: build !== undefined,
    bytes: state.bytes,
    buildMs: build?.ms,
    use,
  };
}

/** An expression index has no statistics before; that they are missing does not make the index a wrong one. */
async function analyse(client: Client, index: IndexDefinition): Promise<string> {
  try {
    await client.query(`ANALYZE ${qualifiedName(index.schema, index.table)}`);
    return "table analysed";
  } catch (error) {
    return `the table could not be analysed (${messageOf(error)}): run ANALYZE`;
  }
}

/** The error to throw, after whatever the build has left is gone. */
async function cleanedUp(
  job: IndexJob,
  { building, mine }: { readonly building: number; readonly mine: ReadonlySet<string> },
  error: unknown,
): Promise<unknown> {
  try {
    if (mine.size > 0) await dropIndex(job, building, mine);
  } catch (undo) {
    return new DirtyTargetError(
      `index ${job.index.name} could not be built (${messageOf(error)}), and what the build left could not be dropped: ${messageOf(undo)}`,
      { cause: undo },
    );
  }
  if (job.signal.aborted || error instanceof PerfoptError) return interruptedOr(job.signal, error);
  return failed(job, error, "nothing of it is left");
}

function interruptedOr(signal: AbortSignal, error: unknown): unknown {
  try {
    throwIfAborted(signal);
    return error;
  } catch (interrupted) {
    return interrupted;
  }
}

function failed({ index }: IndexJob, error: unknown, left: string): PerfoptError {
  return new PerfoptError(
    "cannot-measure",
    `index ${index.name} could not be built: ${messageOf(error)}; ${left}`,
    "read the message; a build that ran into its time limit may succeed when the database is less busy",
    { cause: error },
  );
}
