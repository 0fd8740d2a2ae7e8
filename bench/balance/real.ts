/** What the gateways cost in front of real registry processes: their CPU time beside each other's and beside the whole service's. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { startStores } from "../../test/registry/stores.ts";
import { drive, percentile } from "./world.ts";

const PATH = "/api/2.0/mlflow/registered-models/search";
const PROCESSES = 4;
const ROUNDS = 4;
const LOAD = { perSecond: 200, durationMs: 2_000 };
/** A service runs for hours; its first thousand requests are compiled while they are answered. */
const WARM_UP = { perSecond: 300, durationMs: 10_000 };

interface Service {
  readonly kind: string;
  readonly url: string;
  readonly stop: () => Promise<void>;
}

interface Cost {
  readonly kind: string;
  readonly latenciesMs: number[];
  readonly whys: Map<string, number>;
  requests: number;
  gatewaySeconds: number;
  allSeconds: number;
}

/** Rows of the table, whose last cell says how much CPU time a request took. */
export async function realCosts(kinds: readonly string[]): Promise<readonly (readonly string[])[]> {
  const stores = await startStores();
  const services: Service[] = [];
  try {
    for (const kind of kinds)
      services.push(
        await startService(kind, await stores.createDatabase(`balance_${kind}`), stores.redisUrl),
      );
    return (await measure(services)).map(rowOf);
  } finally {
    await Promise.all(services.map((service) => service.stop()));
    await stores.stop();
  }
}

/** Windows in turn: what the machine does otherwise hits all alike. */
async function measure(services: readonly Service[]): Promise<readonly Cost[]> {
  for (const { url } of services) await drive(url, PATH, WARM_UP);
  const costs: Cost[] = [];
  for (const { kind, url } of services) {
    const { gateway, all } = await cpuOf(url);
    const spent = { gatewaySeconds: -gateway, allSeconds: -all };
    costs.push({ kind, latenciesMs: [], whys: new Map(), requests: 0, ...spent });
  }
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [index, { url }] of services.entries()) {
      const cost = costs[index];
      if (cost === undefined) continue;
      const { latenciesMs, errors, whys } = await drive(url, PATH, LOAD);
      cost.latenciesMs.push(...latenciesMs);
      cost.requests += latenciesMs.length + errors;
      for (const [why, count] of whys) cost.whys.set(why, (cost.whys.get(why) ?? 0) + count);
    }
  }
  for (const [index, { url }] of services.entries()) {
    const cost = costs[index];
    const { gateway, all } = await cpuOf(url);
    if (cost === undefined) continue;
    cost.gatewaySeconds += gateway;
    cost.allSeconds += all;
  }
  return costs;
}

async function startService(kind: string, databaseUrl: string, redisUrl: string): Promise<Service> {
  const child = spawn(process.execPath, ["--import", "tsx", "src/registry/main.ts"], {
    env: {
      ...process.env,
      DATABASE_URL: databaseUrl,
      REDIS_URL: redisUrl,
      PORT: "0",
      LOG_LEVEL: "fatal",
      PROCESSES: String(PROCESSES),
      GATEWAY: kind,
      CACHE_L2_TTL_MS: "0",
    },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const stop = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.kill("SIGTERM");
    await exited;
  };
  try {
    const port = await portOf(createInterface(child.stdout));
    return { kind, url: `http://127.0.0.1:${port}`, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function microsecondsOf({ requests }: Cost, seconds: number): string {
  return `${((1e6 * seconds) / requests).toFixed(0)} µs`;
}

function rowOf(cost: Cost): readonly string[] {
  const { kind, requests, latenciesMs, whys, gatewaySeconds, allSeconds } = cost;
  const errors = requests - latenciesMs.length;
  const gateway = microsecondsOf(cost, gatewaySeconds);
  return [
    kind,
    "round-robin",
    `${PROCESSES} registries`,
    String(requests),
    percentile(latenciesMs, 0.5).toFixed(1),
    percentile(latenciesMs, 0.95).toFixed(1),
    [errors, ...[...whys].map(([why, count]) => `${why}: ${count}`)].join(" "),
    `CPU a request: gateway ${gateway} of ${microsecondsOf(cost, allSeconds)}`,
  ];
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
