/** What a clone answers: adding an index, forgetting it, and the plan of a statement under a set of indexes. */
import { messageOf } from "../../../core/errors.ts";
import { indexBody, type IndexDefinition } from "../../../core/index-definition.ts";
import type { Snapshot } from "../snapshot/snapshot.ts";
import type { Added, Explained, IndexSet, PlannableStatement } from "../what-if.ts";
import type { Estimator } from "./estimate.ts";
import { ask, planOf } from "./explain.ts";
import { pagesLeast } from "./files.ts";
import { candidateOf, leavesOf, makeAgain, makeFirst, type Candidate } from "./hypothetical.ts";
import type { Lane } from "./lane.ts";
import type { Lanes } from "./lanes.ts";
import { PAGE_BYTES } from "./pages.ts";
import { readPlannable, type Plannable } from "./plannable.ts";

export interface CloneState {
  readonly snapshot: Snapshot;
  readonly estimator: Estimator;
  readonly major: number;
  /** Tables that are not modelled, with the reason. */
  readonly missing: ReadonlyMap<string, string>;
  readonly lanes: Lanes;
  /** Indexes that were asked for, by name. */
  readonly entries: Map<string, Entry>;
  /** Names of candidates by their number. */
  readonly names: Map<number, string>;
  /** Statements that were read before, by their text. */
  readonly read: Map<string, Promise<Plannable>>;
  readonly counts: { explains: number; hypotheticals: number };
  /** The last candidate's number. */
  made: number;
}

interface Entry {
  readonly body: string;
  readonly added: Promise<Added>;
  /** Once it is made. */
  candidate: Candidate | undefined;
}

export function addIndex(state: CloneState, index: IndexDefinition): Promise<Added> {
  const body = `${index.schema}.${index.table} ${indexBody(index)}`;
  const known = state.entries.get(index.name);
  if (known?.body === body) return known.added;
  if (known !== undefined) {
    const because = `another index is called ${index.name}: remove it first`;
    return Promise.resolve({ kind: "refused", because });
  }
  const made = makeCandidate(state, index);
  const added = made.then(
    (candidate): Added => {
      entry.candidate = candidate;
      state.names.set(candidate.id, index.name);
      state.counts.hypotheticals += 1;
      return addedOf(candidate);
    },
    (error: unknown): Added => ({ kind: "refused", because: messageOf(error) }),
  );
  const entry: Entry = { body, added, candidate: undefined };
  state.entries.set(index.name, entry);
  return added;
}

async function makeCandidate(state: CloneState, index: IndexDefinition): Promise<Candidate> {
  const leaves = leavesOf(state.snapshot, index.schema, index.table);
  for (const { schema, name } of [{ schema: index.schema, name: index.table }, ...leaves]) {
    const reason = state.missing.get(`${schema}.${name}`);
    if (reason !== undefined) throw new Error(notModelled(`${schema}.${name}`, reason));
  }
  state.made += 1;
  const id = state.made;
  return state.lanes.use((lane) => makeFirst(lane, state.estimator, id, index, leaves));
}

export async function removeIndex(state: CloneState, name: string): Promise<void> {
  const entry = state.entries.get(name);
  state.entries.delete(name);
  await entry?.added;
  const id = entry?.candidate?.id;
  // Each lane drops it before it does anything else.
  if (id !== undefined) for (const lane of state.lanes.all) lane.dropping.add(id);
}

export async function planStatement(
  state: CloneState,
  statement: PlannableStatement,
  set: IndexSet,
): Promise<Explained> {
  const read = state.read.get(statement.sql) ?? readPlannable(statement.sql);
  state.read.set(statement.sql, read);
  const question = await read;
  if (question.kind === "refused") return { kind: "failed", because: question.because };
  const wanted: Candidate[] = [];
  for (const name of set.with) {
    const entry = state.entries.get(name);
    await entry?.added;
    if (entry?.candidate === undefined) {
      return { kind: "failed", because: `the clone has no index ${name}` };
    }
    wanted.push(entry.candidate);
  }
  return state.lanes.use(async (lane): Promise<Explained> => {
    try {
      for (const candidate of wanted) {
        if (!lane.made.has(candidate.id)) await makeAgain(lane, candidate);
      }
      const show = numbers(wanted.flatMap(({ id }) => lane.made.get(id) ?? []));
      const hide = numbers((set.without ?? []).flatMap((name) => existing(lane, name)));
      state.counts.explains += 1;
      const root = await ask(lane, { ...question, show, hide }, state.major);
      const nameOf = (name: string) => state.names.get(candidateOf(name) ?? 0) ?? name;
      return { kind: "plan", plan: planOf(root, nameOf) };
    } catch (error) {
      return { kind: "failed", because: describe(messageOf(error), state.missing) };
    }
  });
}

function numbers(all: readonly number[]): readonly number[] {
  return all.toSorted((a, b) => a - b);
}

function existing(lane: Lane, name: string): readonly number[] {
  const found = lane.existing.get(name);
  if (found === undefined) throw new Error(`the clone has no existing index ${name} to hide`);
  return found;
}

/** A statement about a table that could not be modelled says so, instead of that the table does not exist. */
function describe(message: string, missing: ReadonlyMap<string, string>): string {
  const name = /relation "([^"]+)" does not exist/.exec(message)?.[1];
  const found = [...missing].find(([table]) => table === name || table.endsWith(`.${name}`));
  return found === undefined ? message : notModelled(...found);
}

function notModelled(table: string, reason: string): string {
  return `table ${table} is not modelled: ${reason}`;
}

function addedOf({ parts }: Candidate): Added {
  const shapes = parts.map(({ estimate }) => estimate.shape);
  const heights = shapes.flatMap((shape) => (shape.method === "btree" ? [shape.height] : []));
  return {
    kind: "added",
    bytes: shapes.reduce(
      (sum, shape) => sum + Math.max(shape.pages, pagesLeast(shape)) * PAGE_BYTES,
      0,
    ),
    rows: parts.reduce((sum, { estimate }) => sum + estimate.rows, 0),
    height: heights.length === shapes.length ? Math.max(0, ...heights) : undefined,
  };
}
