/** TPC-H as the peers saw it: 19 queries with weight 1 on a planner clone of SF 1, and the index sets that public advisors recommended. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { openClone, type Clone } from "../../src/advise/indexes/clone/open.ts";
import { ideasOf, readStatements } from "../../src/advise/indexes/ideas.ts";
import type { CandidatePool } from "../../src/advise/indexes/pool.ts";
import { poolOf } from "../../src/advise/indexes/search/pool.ts";
import { catalogOf } from "../../src/advise/indexes/snapshot/catalog-of.ts";
import { parseSnapshot } from "../../src/advise/indexes/snapshot/parse.ts";
import type { WorkloadStatement } from "../../src/advise/indexes/statement.ts";
import { workloadOfSql } from "../../src/advise/indexes/workload/sql-file.ts";
import { indexName, type IndexDefinition } from "../../src/core/index-definition.ts";
import type { PlannerServer } from "../../src/core/planner.ts";

export const TPCH_MAJOR = 15;
export const WIDTH_MAX = 4;
/** Left out by the peers' own benchmark: without indexes these three are 99.99 % of the cost. */
const LEFT_OUT: ReadonlySet<string> = new Set(["Q2", "Q17", "Q20"]);
/** Even the smallest tables: the peers' advisors index them too. */
const ROWS_LEAST = 0;

export interface Peer {
  readonly keys: boolean;
  readonly tool: string;
  readonly whatIfExplains: number;
  /** As recorded: by a clone with true sizes, in megabytes of 1e6 bytes. */
  readonly clone: { readonly sizeMB: number; readonly relCost: number };
  readonly indexes: readonly string[];
}

export interface PricedSet {
  readonly bytes: number;
  readonly relativeCost: number;
}

export interface Tpch {
  readonly statements: readonly WorkloadStatement[];
  readonly clone: Clone;
  /** Of these statements, by their ids. */
  poolFor(ids: ReadonlySet<string>): Promise<CandidatePool>;
  /** Every statement with the whole set there, whatever it could use. */
  price(indexes: readonly IndexDefinition[]): Promise<PricedSet>;
  close(): Promise<void>;
}

/** Undefined where the folder has no such data. */
export async function readPeers(folder: string): Promise<readonly Peer[] | undefined> {
  try {
    return JSON.parse(await readFile(join(folder, "index", "tpch-h19-peers.json"), "utf8"));
  } catch {
    return undefined;
  }
}

export async function openTpch(
  server: PlannerServer,
  folder: string,
  keys: boolean,
): Promise<Tpch> {
  const read = (name: string) => readFile(join(folder, "index", name), "utf8");
  const name = `tpch-sf1-${keys ? "keys" : "nokeys"}-pg15.snapshot.json`;
  const snapshot = await parseSnapshot(await read(name), name);
  const workload = await workloadOfSql(await read("tpch-queries.sql"), "tpch-queries.sql");
  const statements = workload.statements.filter(({ id }) => !LEFT_OUT.has(id));
  const catalog = catalogOf(snapshot);
  const clone = await openClone(server, snapshot, { name: keys ? "keys" : "nokeys" });
  return {
    statements,
    clone,
    poolFor: async (ids) => {
      const these = await readStatements(
        statements.filter(({ id }) => ids.has(id)),
        catalog,
      );
      const limits = { widthMax: WIDTH_MAX, rowsLeast: ROWS_LEAST };
      const weights = new Map(these.statements.map(({ id }) => [id, 1 / ids.size]));
      const found = ideasOf(these, catalog, weights, limits);
      return poolOf(found, these.statements, limits, catalog.extensions);
    },
    price: (indexes) => price(clone, statements, indexes),
    close: () => clone.close(),
  };
}

export function definitionOf(sql: string): IndexDefinition {
  const [, table = "", keys = ""] =
    /on (?:public\.)?(\w+) (?:using btree )?\(([^)]*)\)/i.exec(sql) ?? [];
  const columns = keys.split(",").map((name) => ({ name: name.trim() }));
  const index = { schema: "public", table, columns };
  return { ...index, name: indexName(index) };
}

async function price(
  clone: Clone,
  statements: readonly WorkloadStatement[],
  indexes: readonly IndexDefinition[],
): Promise<PricedSet> {
  const bytes = new Map<string, number>();
  for (const index of indexes) {
    const added = await clone.add(index);
    if (added.kind === "refused") throw new Error(`${index.name}: ${added.because}`);
    bytes.set(index.name, added.bytes);
  }
  const total = async (names: readonly string[]): Promise<number> => {
    let sum = 0;
    for (const { id, planSql, valuesFrom } of statements) {
      const explained = await clone.plan({ id, sql: planSql, valuesFrom }, { with: names });
      if (explained.kind === "failed") throw new Error(`${id}: ${explained.because}`);
      sum += explained.plan.cost;
    }
    return sum;
  };
  return {
    bytes: [...bytes.values()].reduce((sum, each) => sum + each, 0),
    relativeCost: (await total([...bytes.keys()])) / (await total([])),
  };
}
