// Fills the cache at start with what is asked most: the models updated last, and the first pages of searches.

import type { Backend } from "./endpoint.ts";
import { readAlias } from "./model-aliases.ts";
import { readModel, searchModels } from "./models.ts";

const MODELS_MAX = 200;
const ALIASES_MAX = 400;
const READS_AT_ONCE = 4;

/** Returns how many reads were made. A read that fails is left to the first request that needs it. */
export async function warmUp(backend: Backend): Promise<number> {
  const models = await backend.database.query<{ name: string }>(
    "SELECT name FROM registered_models ORDER BY last_updated_timestamp DESC LIMIT $1",
    [MODELS_MAX],
  );
  const aliases = await backend.database.query<{ name: string; alias: string }>(
    "SELECT name, alias FROM registered_model_aliases WHERE name = ANY($1) LIMIT $2",
    [models.map((model) => model.name), ALIASES_MAX],
  );
  const reads = [
    () => searchModels(backend, {}),
    () => searchModels(backend, { order_by: ["last_updated_timestamp DESC"] }),
    ...models.map(
      ({ name }) =>
        () =>
          readModel(backend, name),
    ),
    ...aliases.map(
      ({ name, alias }) =>
        () =>
          readAlias(backend, name, alias),
    ),
  ];
  const queue = reads.values();
  // Every worker takes from the one iterator, so no more than these many connections are used.
  const worker = async (): Promise<void> => {
    for (const read of queue) await read().catch(() => undefined);
  };
  await Promise.all(Array.from({ length: READS_AT_ONCE }, worker));
  return reads.length;
}
