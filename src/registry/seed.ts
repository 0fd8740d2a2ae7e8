// The seed program: fills a database with a made-up registry, the same one for the same scale and seed.

import { parseArgs } from "node:util";
import { Client } from "pg";
import { EXIT_BAD_CONFIG } from "./config.ts";
import { loadWorld, tableSources } from "./seed/load.ts";
import { SCALES, SCALE_NAMES, findScale } from "./seed/scales.ts";
import type { ScaleName } from "./seed/scales.ts";
import { createWorld } from "./seed/world.ts";

type Arguments = { scale: ScaleName; seed: number; force: boolean; databaseUrl: string };

class UsageError extends Error {
  override readonly name = "UsageError";
}

async function main(): Promise<void> {
  const { values } = parseArguments();
  if (values.help) {
    process.stdout.write(help());
    return;
  }
  const { scale, seed, force, databaseUrl } = checkArguments(values);
  const startedMs = performance.now();
  const seconds = (): number => Math.round(performance.now() - startedMs) / 1000;
  const progress = (line: string): boolean =>
    process.stderr.write(`seed ${seconds().toFixed(1)} s: ${line}\n`);
  const client = new Client({
    connectionString: databaseUrl,
    application_name: "perfopt-registry-seed",
  });
  await client.connect();
  try {
    if (!force && (await holdsData(client))) {
      throw new UsageError(
        "the database already holds a registry; --force deletes it and seeds anew.",
      );
    }
    progress(`making the ${scale} registry of seed ${seed}`);
    const rows = await loadWorld(
      client,
      tableSources(seed, createWorld(seed, SCALES[scale])),
      progress,
    );
    const total = Object.values(rows).reduce((a, b) => a + b, 0);
    const size = await client.query<{ bytes: string }>(
      "SELECT pg_database_size(current_database()) AS bytes",
    );
    const bytes = Number(size.rows[0]?.bytes);
    process.stdout.write(
      `${JSON.stringify({ event: "seeded", scale, seed, rows, total, seconds: seconds(), databaseBytes: bytes })}\n`,
    );
  } finally {
    await client.end();
  }
}

function parseArguments(): {
  values: { scale?: string; seed?: string; force?: boolean; help?: boolean };
} {
  try {
    return parseArgs({
      options: {
        scale: { type: "string" },
        seed: { type: "string" },
        force: { type: "boolean" },
        help: { type: "boolean" },
      },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function checkArguments(values: { scale?: string; seed?: string; force?: boolean }): Arguments {
  const scale = findScale(values.scale ?? "small");
  if (scale === undefined)
    throw new UsageError(`--scale is ${values.scale}; give one of ${SCALE_NAMES.join(", ")}.`);
  const seed = values.seed ?? "42";
  if (!/^\d{1,9}$/.test(seed))
    throw new UsageError(`--seed is ${seed}; give a whole number of at most nine digits.`);
  const databaseUrl = process.env["DATABASE_URL"];
  if (databaseUrl === undefined || databaseUrl === "")
    throw new UsageError("DATABASE_URL is not set.");
  return { scale, seed: Number(seed), force: values.force ?? false, databaseUrl };
}

async function holdsData(client: Client): Promise<boolean> {
  const table = await client.query<{ found: boolean }>(
    "SELECT to_regclass('registered_models') IS NOT NULL AS found",
  );
  if (table.rows[0]?.found !== true) return false;
  const rows = await client.query(
    "SELECT FROM registered_models UNION ALL SELECT FROM experiments LIMIT 1",
  );
  return rows.rows.length > 0;
}

function help(): string {
  const sizes = SCALE_NAMES.map((name) => {
    const { models, versions, experiments, runs, artifacts } = SCALES[name];
    return `  ${name.padEnd(7)} ${models} models, ${versions} versions, ${experiments} experiments, ${runs} runs, ${artifacts} artifacts, about ${Math.round((runs * 88 + versions * 4) / 1000)} thousand rows`;
  });
  return `Usage: DATABASE_URL=postgresql://... node dist/registry/seed.js [--scale small|medium|large] [--seed 42] [--force]

Fills the database with a made-up model registry. The same scale and seed make the same rows.
${sizes.join("\n")}

--force deletes a registry that is already there. Without it the program then ends with exit code ${EXIT_BAD_CONFIG}.
One JSON line on stdout tells the rows of each table and the time taken; progress goes to stderr.
`;
}

main().catch((error: unknown) => {
  process.stderr.write(
    `seed: ${error instanceof Error ? error.message || error.name : String(error)}\n`,
  );
  process.exitCode = error instanceof UsageError ? EXIT_BAD_CONFIG : 1;
});
