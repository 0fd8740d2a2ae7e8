/** What a gateway costs in front of real registry processes: its CPU time beside theirs. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { startStores } from "../../test/registry/stores.ts";
import { drive, percentile } from "./world.ts";

const PATH = "/api/2.0/mlflow/registered-models/search";
const PROCESSES = 4;
const LOAD = { perSecond: 200, durationMs: 6_000 };
const WARM_UP = { perSecond: 200, durationMs: 2_000 };

/** A row of the table; the last cell says how much CPU time a request took, gateway and all. */
export async function realCost(kind: string): Promise<readonly string[]> {
  const stores = await startStores();
  const child = spawn(process.execPath, ["--import", "tsx", "src/registry/main.ts"], {
    env: {
      ...process.env,
      DATABASE_URL: await stores.createDatabase("balance"),
      REDIS_URL: stores.redisUrl,
      PORT: "0",
      LOG_LEVEL: "fatal",
      PROCESSES: String(PROCESSES),
      GATEWAY: kind,
      CACHE_L2_TTL_MS: "0",
    },
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    const url = `http://127.0.0.1:${await portOf(createInterface(child.stdout))}`;
    await drive(url, PATH, WARM_UP);
    const before = await cpuOf(url);
    const { latenciesMs, errors, whys } = await drive(url, PATH, LOAD);
    const after = await cpuOf(url);
    const requests = latenciesMs.length + errors;
    const perRequest = (seconds: number) => `${((1e6 * seconds) / requests).toFixed(0)} µs`;
    const gateway = after.gateway - before.gateway;
    const all = after.all - before.all;
    return [
      kind,
      "round-robin",
      `${PROCESSES} registries`,
      String(requests),
      percentile(latenciesMs, 0.5).toFixed(1),
      percentile(latenciesMs, 0.95).toFixed(1),
      [errors, ...[...whys].map(([why, count]) => `${why}: ${count}`)].join(" "),
      `CPU a request: gateway ${perRequest(gateway)} of ${perRequest(all)}`,
    ];
  } finally {
    const exited = once(child, "exit");
    child.kill("SIGTERM");
    await exited;
    await stores.stop();
  }
}

async function cpuOf(url: string): Promise<{ readonly gateway: number; readonly all: number }> {
  const lines = (await (await fetch(`${url}/metrics`)).text()).split("\n");
  const value = (name: string) =>
    Number(lines.find((line) => line.startsWith(`${name} `))?.slice(name.length));
  return {
    gateway: value("registry_gateway_cpu_seconds_total"),
    all: value("process_cpu_seconds_total"),
  };
}

async function portOf(lines: AsyncIterable<string>): Promise<number> {
  for await (const line of lines) {
    const entry: unknown = JSON.parse(line);
    if (typeof entry === "object" && entry !== null && "event" in entry && "port" in entry)
      return Number(entry.port);
  }
  throw new Error("The registry ended before it listened.");
}
