// Sends imports as clients do, and makes what they import into.

import type { Json, TestRegistry } from "../client.ts";
import { API_BASE } from "../../../src/registry/endpoint.ts";

export type Sent = { readonly status: number; readonly body: Json };

/** `body`: text, or objects that become NDJSON. */
export async function sendImport(
  { url }: Pick<TestRegistry, "url">,
  query: Readonly<Record<string, string>>,
  body: string | Uint8Array | readonly object[],
  headers: Readonly<Record<string, string>> = {},
): Promise<Sent> {
  const bytes =
    typeof body === "string" || body instanceof Uint8Array
      ? Buffer.from(body)
      : Buffer.from(body.map((record) => `${JSON.stringify(record)}\n`).join(""));
  const target = new URL(`${url}${API_BASE}/bulk/import`);
  for (const [name, value] of Object.entries(query)) target.searchParams.set(name, value);
  const response = await fetch(target, {
    method: "POST",
    headers: { "content-type": "application/x-ndjson", ...headers },
    body: bytes,
  });
  return { status: response.status, body: await response.json() };
}

export const CSV = { "content-type": "text/csv; charset=utf-8" };

export async function createRuns(
  { post }: Pick<TestRegistry, "post">,
  count: number,
): Promise<readonly string[]> {
  const name = `bulk-${crypto.randomUUID()}`;
  const { experiment_id } = await post("experiments/create", { name });
  const made = Array.from({ length: count }, () => post("runs/create", { experiment_id }));
  return (await Promise.all(made)).map(({ run }) => run.info.run_id);
}

export function point(runId: string, key: string, step: number, value = step / 10): object {
  return { run_id: runId, key, value, timestamp: 1_700_000_000_000 + step, step };
}
