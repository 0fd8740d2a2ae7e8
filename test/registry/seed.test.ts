import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { gunzipSync } from "node:zlib";
import { Client } from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { diffContents } from "../../src/registry/compute/diff.ts";
import { scanContent } from "../../src/registry/compute/scan.ts";
import { artifactRows } from "../../src/registry/seed/artifact-rows.ts";
import { tableSources } from "../../src/registry/seed/load.ts";
import { zipfShares } from "../../src/registry/seed/randomness.ts";
import { SCALES } from "../../src/registry/seed/scales.ts";
import { createWorld } from "../../src/registry/seed/world.ts";
import { openRegistry } from "./client.ts";
import { startStores } from "./stores.ts";
import type { Stores } from "./stores.ts";

let stores: Stores;
let databaseUrl = "";

beforeAll(async () => {
  stores = await startStores();
  databaseUrl = await stores.createDatabase("seeded");
}, 60_000);

afterAll(async () => {
  await stores?.stop();
}, 60_000);

function seed(...flags: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, ["--import", "tsx", "src/registry/seed.ts", ...flags], {
    env: { ...process.env, DATABASE_URL: databaseUrl },
    encoding: "utf8",
    timeout: 60_000,
  });
}

function digestOf(seed: number): string {
  const hash = createHash("sha256");
  for (const [table, { rows }] of tableSources(seed, createWorld(seed, SCALES.small))) {
    hash.update(table);
    for (const row of rows()) hash.update(row.join("\t"));
  }
  return hash.digest("hex");
}

test("the same seed makes the same rows, another one others", () => {
  expect(digestOf(42)).toBe(digestOf(42));
  expect(digestOf(43)).not.toBe(digestOf(42));
});

test("artifacts are of the models with the most versions, change from one version to the next, and hold nothing bad", () => {
  const world = createWorld(7, SCALES.small);
  const mostVersions = new Set(
    world.models
      .toSorted((a, b) => b.versions - a.versions)
      .slice(0, SCALES.small.artifacts)
      .map(({ name }) => name),
  );
  const contents = new Map<string, Buffer[]>();
  for (const row of artifactRows(7, world)) {
    const [name, , path, bytes, sha256, , , packed] = row;
    const content = gunzipSync(packed instanceof Uint8Array ? packed : "");
    expect(mostVersions.has(String(name))).toBe(true);
    expect([content.length, createHash("sha256").update(content).digest("hex")]).toEqual([
      bytes,
      sha256,
    ]);
    expect(scanContent(content)).toEqual([]);
    const key = `${String(name)} ${String(path)}`;
    contents.set(key, [...(contents.get(key) ?? []), content]);
  }
  for (const [key, [newer, older]] of contents) {
    if (!key.endsWith(".txt") || newer === undefined || older === undefined) continue;
    const { added, removed, binary } = diffContents(older, newer);
    const lines = newer.toString().split("\n").length;
    expect(binary).toBe(false);
    for (const changed of [added, removed]) {
      expect(changed).toBeGreaterThan(0);
      expect(changed).toBeLessThan(lines / 5);
    }
  }
});

test("shares follow Zipf's law and add up", () => {
  const shares = zipfShares(1000, 50, 1, 1);
  expect(shares.reduce((a, b) => a + b, 0)).toBe(1000);
  expect(shares).toEqual(shares.toSorted((a, b) => b - a));
  expect(shares[0]).toBeGreaterThan(4 * (shares[9] ?? 0));
  expect(Math.min(...shares)).toBeGreaterThanOrEqual(1);
});

test("seeds once, refuses to again, and what it wrote is a registry that works", async () => {
  const first = seed("--scale", "small", "--seed", "7");
  expect([first.status, first.stderr.includes("statistics")]).toEqual([0, true]);
  const result: { total: number; rows: Record<string, number> } = JSON.parse(first.stdout);
  expect(result.total).toBeGreaterThan(55_000);
  expect(result.rows).toMatchObject({
    artifacts: 30,
    registered_models: 150,
    model_versions: 1800,
    runs: 600,
    latest_metrics: 6000,
  });
  const again = seed("--scale", "small");
  expect([again.status, again.stderr.includes("--force")]).toEqual([2, true]);

  const api = await openRegistry({ DATABASE_URL: databaseUrl, REDIS_URL: stores.redisUrl });
  const { experiment_id } = await api.post("experiments/create", { name: "after the seed" });
  expect(Number(experiment_id)).toBe(31);
  const runs = await api.post("runs/search", {
    experiment_ids: ["1"],
    filter: "metrics.accuracy > 0.7",
    order_by: ["metrics.accuracy DESC"],
    max_results: 5,
  });
  expect(runs.runs).toHaveLength(5);
  const models = await api.get("registered-models/search", { filter: "tags.domain = 'fraud'" });
  expect(models.registered_models.length).toBeGreaterThan(0);
  const served = await api.backend.database.query<{ name: string; version: number }>(
    "SELECT a.name, a.version FROM artifacts a JOIN registered_model_aliases USING (name, version) WHERE alias = 'champion'",
  );
  expect(served.length).toBeGreaterThanOrEqual(15);
  for (const { name, version } of served.slice(0, 5)) {
    const verified = await api.post("model-versions/verify", { name, version });
    expect(verified).toMatchObject({ digest_matches: true, signature_valid: true });
  }
  await api.close();

  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  const wrong = await client
    .query(
      `SELECT count(*)::int AS count FROM latest_metrics l WHERE (l.step, l.timestamp) IS DISTINCT FROM
       (SELECT (m.step, m.timestamp) FROM metrics m WHERE m.run_id = l.run_id AND m.key = l.key ORDER BY m.step DESC LIMIT 1)`,
    )
    .catch((error: unknown) => error);
  // The tables of jobs come with what their queue needs.
  const keys = await client.query(
    "SELECT count(*)::int AS count FROM pg_index WHERE NOT indisunique AND indrelid::regclass::text !~ '^(pg_|jobs$|reports$|bulk_lines$)'",
  );
  await client.end();
  expect(wrong).toMatchObject({ rows: [{ count: 0 }] });
  expect(keys.rows).toEqual([{ count: 0 }]);
  expect(seed("--scale", "small", "--force").status).toBe(0);
}, 60_000);

test.each([
  [["--scale", "huge"], "--scale"],
  [["--seed", "x"], "--seed"],
  [["--wrong"], "--wrong"],
])("refuses %j", (flags, reason) => {
  const run = seed(...flags);
  expect([run.status, run.stderr.includes(reason)]).toEqual([2, true]);
});

test("--help says what each scale holds", () => {
  const run = seed("--help");
  expect(run.status).toBe(0);
  for (const scale of ["small", "medium", "large"]) expect(run.stdout).toContain(scale);
});
