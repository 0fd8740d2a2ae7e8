import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { Client } from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
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
  await api.close();

  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  const wrong = await client
    .query(
      `SELECT count(*)::int AS count FROM latest_metrics l WHERE (l.step, l.timestamp) IS DISTINCT FROM
       (SELECT (m.step, m.timestamp) FROM metrics m WHERE m.run_id = l.run_id AND m.key = l.key ORDER BY m.step DESC LIMIT 1)`,
    )
    .catch((error: unknown) => error);
  const keys = await client.query(
    "SELECT count(*)::int AS count FROM pg_index WHERE NOT indisunique AND indrelid::regclass::text !~ '^pg_'",
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
