// Starts registries in this process and talks to them as clients do.

import { expect } from "vitest";
import { readConfig } from "../../src/registry/config.ts";
import { API_BASE } from "../../src/registry/endpoint.ts";
import { startRegistry } from "../../src/registry/registry.ts";
import type { RunningRegistry } from "../../src/registry/registry.ts";

// Answers are JSON of many shapes; tests state what they expect of each.
// oxlint-disable-next-line typescript/no-explicit-any
export type Json = any;

export type Answer = { readonly status: number; readonly body: Json };

export type TestRegistry = RunningRegistry & {
  readonly url: string;
  /** The body of a 200 answer; any other status fails the test. */
  readonly get: (path: string, query?: Query) => Promise<Json>;
  readonly post: (path: string, body: object) => Promise<Json>;
  /** Whatever the answer is. */
  readonly ask: (method: string, path: string, input?: object) => Promise<Answer>;
  /** The sum of a metric over its labels, or over those lines that contain `labels`. */
  readonly metric: (name: string, labels?: string) => Promise<number>;
};

type Query = Readonly<Record<string, string | number | readonly string[]>>;

export async function openRegistry(environment: Record<string, string>): Promise<TestRegistry> {
  const registry = await startRegistry(
    // No CPU thread before there is work for one: to start it from source takes longer than most tests.
    readConfig({ PORT: "0", LOG_LEVEL: "silent", THREADS_MIN: "0", ...environment }),
  );
  const url = `http://127.0.0.1:${registry.port}`;
  const ask = async (method: string, path: string, input: object = {}): Promise<Answer> => {
    const target = new URL(`${url}${API_BASE}/${path}`);
    const inBody = method !== "GET";
    if (!inBody) addQuery(target, input);
    const response = await fetch(target, {
      method,
      ...(inBody
        ? { body: JSON.stringify(input), headers: { "content-type": "application/json" } }
        : {}),
    });
    return { status: response.status, body: await response.json() };
  };
  const must = async (method: string, path: string, input?: object): Promise<Json> => {
    const { status, body } = await ask(method, path, input);
    expect(status, `${method} ${path} ${JSON.stringify(input)}: ${JSON.stringify(body)}`).toBe(200);
    return body;
  };
  return {
    ...registry,
    url,
    ask,
    get: (path, query) => must("GET", path, query),
    post: (path, body) => must("POST", path, body),
    async metric(name, labels = "") {
      const text = await (await fetch(`${url}/metrics`)).text();
      return text
        .split("\n")
        .filter((line) => new RegExp(`^${name}[{ ]`).test(line) && line.includes(labels))
        .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" "))), 0);
    },
  };
}

function addQuery(target: URL, input: object): void {
  for (const [name, value] of Object.entries(input)) {
    for (const item of [value].flat()) target.searchParams.append(name, String(item));
  }
}

/** Waits for what another process's news brings about; the test's own time limit ends a wait in vain. */
export async function eventually(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setImmediate(resolve));
}
