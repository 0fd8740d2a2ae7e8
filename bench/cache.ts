/** Curves against references, Redis as simulated against Redis, and what capturing costs: the acceptance numbers of the cache advisor. */
import { curvesBench } from "./cache/curves.ts";
import { redisBench } from "./cache/redis.ts";
import { tracerBench } from "./cache/tracer.ts";
import type { BenchOptions, BenchResult } from "./run.ts";

export async function run({ tiny, dataDir }: BenchOptions): Promise<BenchResult> {
  // One after another: each measures times.
  const curves = await curvesBench({ tiny, dataDir });
  const redis = await redisBench({ tiny, dataDir });
  const tracer = await tracerBench({ tiny });
  return {
    title: "Cache advisor: curves, Redis and capture",
    head: ["what", "of", "result", "time"],
    rows: [
      ...curves.rows,
      ...redis.rows.map(redisRow),
      ...tracer.rows.map(([what = "", us = "", range = "", operations = ""]) => [
        what,
        `${operations} operations`,
        "",
        `${us} µs of CPU each (${range})`,
      ]),
    ],
    acceptance: [...curves.acceptance, ...redis.acceptance, ...tracer.acceptance],
  };
}

function redisRow(row: readonly string[]): readonly string[] {
  const [zipf, megabytes, policy, more, real, simulated, error, miniature, ops, speed] = row;
  return [
    `Redis ${policy}${more ? `, ${more}` : ""}`,
    `zipf ${zipf}, ${megabytes} MB`,
    `real ${real} %, simulated ${simulated} %: ${error} points; a tenth of the keys ${miniature}`,
    `${ops} op/s, simulated ${speed}/s`,
  ];
}
