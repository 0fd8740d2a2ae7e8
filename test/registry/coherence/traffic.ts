/** Writers and readers on several registries at once, every answer noted with the versions that it shows. */
import { setTimeout as wait } from "node:timers/promises";
import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import type { Json } from "../client.ts";
import type { History, Read, Write } from "./history.ts";
import type { Registry } from "./process.ts";

export type Client = Pick<Registry, "get" | "send">;

export interface Traffic extends History {
  readonly errors: readonly string[];
}

export interface TrafficOptions {
  readonly writers: number;
  readonly readers: number;
  readonly seed: number;
  /** The longest pause of a writer; the mean is half of it. */
  readonly pauseMaxMs: number;
}

/** What can be written and read: one version each in a model's description, in that of its version, and in a tag of a run. */
export interface World {
  readonly writes: readonly WriteRequest[];
  readonly reads: readonly ReadRequest[];
}

interface WriteRequest {
  readonly key: string;
  readonly send: (client: Client, version: number) => Promise<unknown>;
}

interface ReadRequest {
  readonly name: string;
  readonly ask: (client: Client) => Promise<Json>;
  readonly shown: (answer: Json) => readonly (readonly [key: string, version: number])[];
}

/** Makes the rows that the traffic writes to. */
export async function makeWorld(client: Client, size: number): Promise<World> {
  const writes: WriteRequest[] = [];
  const reads: ReadRequest[] = [];
  const { experiment_id }: Json = await client.send("POST", "experiments/create", { name: "e" });
  for (let index = 0; index < size; index += 1) {
    const name = `m${index}`;
    await client.send("POST", "registered-models/create", { name });
    await client.send("POST", "model-versions/create", { name, source: "s" });
    const champion = { name, alias: "champion", version: "1" };
    await client.send("POST", "registered-models/alias", champion);
    const { run }: Json = await client.send("POST", "runs/create", { experiment_id });
    const runId: string = run.info.run_id;
    writes.push(...writesOf(name, runId));
    reads.push(...readsOf(name, runId));
  }
  return { writes, reads: [...reads, ...searches(experiment_id, size)] };
}

function writesOf(name: string, runId: string): readonly WriteRequest[] {
  return [
    {
      key: `model ${name}`,
      send: (client, version) =>
        client.send("PATCH", "registered-models/update", { name, description: String(version) }),
    },
    {
      key: `version ${name}`,
      send: (client, version) =>
        client.send("PATCH", "model-versions/update", {
          name,
          version: "1",
          description: String(version),
        }),
    },
    {
      key: `run ${runId}`,
      send: (client, version) =>
        client.send("POST", "runs/set-tag", { run_id: runId, key: "v", value: String(version) }),
    },
  ];
}

function readsOf(name: string, runId: string): readonly ReadRequest[] {
  return [
    {
      name: `model ${name}`,
      ask: (client) => client.get("registered-models/get", { name }),
      shown: ({ registered_model }) => [modelShown(registered_model)],
    },
    {
      name: `alias ${name}`,
      ask: (client) => client.get("registered-models/alias", { name, alias: "champion" }),
      shown: ({ model_version }) => [versionShown(model_version)],
    },
    {
      name: `run ${runId}`,
      ask: (client) => client.get("runs/get", { run_id: runId }),
      shown: ({ run }) => [runShown(run)],
    },
  ];
}

/** Each is asked for as often as one row is. */
function searches(experimentId: string, size: number): readonly ReadRequest[] {
  const kinds: readonly ReadRequest[] = [
    {
      name: "models",
      ask: (client) => client.get("registered-models/search", {}),
      shown: ({ registered_models }) => registered_models.map(modelShown),
    },
    {
      name: "versions",
      ask: (client) => client.get("model-versions/search", {}),
      shown: ({ model_versions }) => model_versions.map(versionShown),
    },
    {
      name: "runs",
      ask: (client) => client.send("POST", "runs/search", { experiment_ids: [experimentId] }),
      shown: ({ runs }) => runs.map(runShown),
    },
  ];
  return Array.from({ length: Math.ceil(size / 2) }, () => kinds).flat();
}

const modelShown = ({ name, description = "0" }: Json) =>
  [`model ${name}`, Number(description)] as const;

const versionShown = ({ name, description = "0" }: Json) =>
  [`version ${name}`, Number(description)] as const;

const runShown = ({ info, data }: Json) =>
  [
    `run ${info.run_id}`,
    Number(data.tags?.find((tag: Json) => tag.key === "v")?.value ?? 0),
  ] as const;

/** Lets the traffic run until `during` ends; `versions` goes on from where the traffic before it ended. */
export async function drive(
  clients: readonly Client[],
  world: World,
  versions: Map<string, number>,
  options: TrafficOptions,
  during: (soFar: Traffic) => Promise<void>,
): Promise<Traffic> {
  const writes: Write[] = [];
  const reads: Read[] = [];
  const errors: string[] = [];
  const over = new AbortController();
  const loops = [
    ...Array.from({ length: options.writers }, (_, index) => write(index)),
    ...Array.from({ length: options.readers }, (_, index) => read(index)),
  ];
  try {
    await during({ writes, reads, errors });
  } finally {
    over.abort();
    await Promise.all(loops);
  }
  return { writes, reads, errors };

  /** Each writer has keys of its own, so that the versions of a key rise in the order of its writes. */
  async function write(index: number): Promise<void> {
    const draw = random(options.seed * 1_000 + index);
    const own = world.writes.filter((_, at) => at % options.writers === index);
    while (!over.signal.aborted) {
      const process = draw(clients.length);
      const request = own[draw(own.length)];
      const client = clients[process];
      if (request === undefined || client === undefined) return;
      const { key } = request;
      const version = (versions.get(key) ?? 0) + 1;
      versions.set(key, version);
      // It may be seen before it is answered.
      const sent = { key, version, process, startMs: performance.now(), endMs: Infinity };
      writes.push(sent);
      const answered = await note(() => request.send(client, version));
      if (answered !== undefined) sent.endMs = performance.now();
      await wait(draw(options.pauseMaxMs + 1));
    }
  }

  async function read(index: number): Promise<void> {
    const draw = random(options.seed * 1_000 + 500 + index);
    while (!over.signal.aborted) {
      const process = draw(clients.length);
      const request = world.reads[draw(world.reads.length)];
      const client = clients[process];
      if (request === undefined || client === undefined) return;
      const startMs = performance.now();
      const answer: Json = await note(() => request.ask(client));
      const endMs = performance.now();
      if (answer === undefined) continue;
      for (const [key, version] of request.shown(answer))
        reads.push({ key, version, process, request: request.name, startMs, endMs });
    }
  }

  async function note(ask: () => Promise<unknown>): Promise<unknown> {
    try {
      return await ask();
    } catch (error) {
      errors.push(error instanceof Error ? error.message : String(error));
      return undefined;
    }
  }
}

/** Whole numbers from 0 up to below its argument. */
function random(seed: number): (below: number) => number {
  const generator = xoroshiro128plus(seed);
  return (below) => uniformInt(generator, 0, below - 1);
}
