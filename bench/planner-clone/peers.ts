/** The index sets of public advisors on TPC-H, priced on a clone of the snapshots: their published prices have to come out again. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { indexName, type IndexDefinition } from "../../src/core/index-definition.ts";
import { openClone, type Clone } from "../../src/advise/indexes/clone/open.ts";
import { parseSnapshot } from "../../src/advise/indexes/snapshot/parse.ts";
import { openPlannerServer } from "../../src/target/planner-server.ts";
import type { Acceptance } from "../run.ts";

const DATA = "../shared/data";
const MAJOR = 15;
/** Left out by the peers' own benchmark: without indexes these alone are the cost. */
const LEFT_OUT = new Set(["2", "17", "20"]);

interface Peer {
  readonly keys: boolean;
  readonly tool: string;
  readonly clone: { readonly sizeMB: number; readonly relCost: number };
  readonly indexes: readonly string[];
}

/** Nothing where the data is absent, with a word on stderr. */
export async function peerPrices(
  home: string,
  dataDir: string | undefined,
): Promise<readonly Acceptance[]> {
  const folder = join(dataDir ?? DATA, "index");
  const read = (name: string) => readFile(join(folder, name), "utf8");
  let peers: readonly Peer[];
  try {
    peers = JSON.parse(await read("tpch-h19-peers.json"));
  } catch {
    process.stderr.write(`no ${folder}: the prices of public advisors' sets are not compared\n`);
    return [];
  }
  const queries = queriesIn(await read("tpch-queries.sql"));
  const server = await openPlannerServer({
    home,
    major: MAJOR,
    signal: new AbortController().signal,
    environment: process.env,
  });
  try {
    const acceptance: Acceptance[] = [];
    for (const keys of [false, true]) {
      const name = `tpch-sf1-${keys ? "keys" : "nokeys"}-pg15.snapshot.json`;
      const text = await read(name);
      const clone = await openClone(server, await parseSnapshot(text, name));
      const sets = peers.filter((peer) => peer.keys === keys);
      acceptance.push(...(await comparePeers(clone, queries, sets, keys)));
      await clone.close();
    }
    return acceptance;
  } finally {
    await server.close();
  }
}

function queriesIn(text: string): readonly { readonly id: string; readonly sql: string }[] {
  return text.split(/;\s*\n/).flatMap((part) => {
    const id = /-- *Q(\d+)/.exec(part)?.[1];
    const sql = part.replaceAll(/^\s*--.*$/gm, "").trim();
    return id === undefined || sql === "" || LEFT_OUT.has(id) ? [] : [{ id, sql }];
  });
}

async function comparePeers(
  clone: Clone,
  queries: readonly { readonly id: string; readonly sql: string }[],
  peers: readonly Peer[],
  keys: boolean,
): Promise<readonly Acceptance[]> {
  const total = async (names: readonly string[]) => {
    let sum = 0;
    for (const query of queries) {
      const priced = await clone.plan({ ...query, valuesFrom: "statement" }, { with: names });
      if (priced.kind === "failed") throw new Error(`Q${query.id}: ${priced.because}`);
      sum += priced.plan.cost;
    }
    return sum;
  };
  const base = await total([]);
  const costs: number[] = [];
  const sizes: number[] = [];
  for (const peer of peers) {
    const sizeByName = new Map<string, number>();
    for (const index of peer.indexes.map(definitionOf)) {
      const added = await clone.add(index);
      if (added.kind === "refused") throw new Error(`${index.name}: ${added.because}`);
      sizeByName.set(index.name, added.bytes);
    }
    const bytes = [...sizeByName.values()].reduce((sum, each) => sum + each, 0);
    const relative = (await total([...sizeByName.keys()])) / base;
    costs.push(Math.abs(relative / peer.clone.relCost - 1));
    sizes.push(Math.abs(bytes / (peer.clone.sizeMB * 1e6) - 1));
  }
  const line = (what: string, value: number, most: number): Acceptance => ({
    what: `TPC-H ${keys ? "with" : "without"} keys, ${peers.length} sets of public advisors: ${what}`,
    value: `${(value * 100).toFixed(2)} %`,
    goal: `at most ${most * 100} %`,
    ok: value <= most,
  });
  return [
    line("relative cost differs from the recorded one by, worst", Math.max(...costs), 0.005),
    line("size differs from the recorded one by, worst", Math.max(...sizes), 0.03),
  ];
}

function definitionOf(sql: string): IndexDefinition {
  const match = /on (?:public\.)?(\w+) (?:using btree )?\(([^)]*)\)/i.exec(sql);
  const [, table = "", keys = ""] = match ?? [];
  const columns = keys.split(",").map((name) => ({ name: name.trim() }));
  const definition = { schema: "public", table, columns };
  return { ...definition, name: indexName(definition) };
}
