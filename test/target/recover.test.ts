import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, realpath, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Resource, RunEvent } from "../../src/core/event.ts";
import { findMarked, findWorkingIn, isAlive, startTicksOf } from "../../src/target/proc.ts";
import { startProcess } from "../../src/target/process.ts";
import { removeResources } from "../../src/target/recover.ts";
import { openSource } from "../../src/target/source.ts";
import { queryDatabase, withDatabase } from "../../src/target/sql.ts";
import { fixtureTarget, neverAborted, temporaryHome } from "../integration/stores.ts";

let home: string;
beforeAll(async () => {
  home = await realpath(await temporaryHome());
});
afterAll(() => rm(home, { recursive: true, force: true }));

/** Runs the bench until `stop` says so of one of its events, then kills it; returns what its journal would hold. */
async function killedBench(
  stop: (event: { type: string }, count: number) => boolean,
): Promise<readonly Resource[]> {
  const script = resolve(import.meta.dirname, "fixture-bench.ts");
  const child = spawn(process.execPath, ["--import", "tsx", script, home], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exit = once(child, "exit");
  const resources = new Map<string, Resource>();
  let count = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    const event: RunEvent = JSON.parse(line);
    if (event.type === "resource-creating" || event.type === "resource-created") {
      resources.set(event.resource.id, event.resource);
    }
    count += 1;
    if (!stop(event, count)) continue;
    child.kill("SIGKILL");
    break;
  }
  await exit;
  return [...resources.values()].toReversed();
}

async function recover(resources: readonly Resource[]): Promise<readonly string[]> {
  const source = await openSource({
    targetFile: fixtureTarget(),
    home,
    scale: "tiny",
    seed: 1,
    environment: process.env,
    purpose: "bench",
    onProgress: () => {},
    signal: neverAborted,
  });
  try {
    const done = await removeResources(resources, { home, adminUrl: source.adminUrl });
    const clones = await queryDatabase(
      withDatabase(source.adminUrl, "postgres"),
      "SELECT datname FROM pg_database WHERE datname LIKE 'perfopt%'",
    );
    expect(clones).toEqual([]);
    return done;
  } finally {
    await source.close();
  }
}

async function alive(resources: readonly Resource[]): Promise<readonly string[]> {
  const found: string[] = [];
  for (const resource of resources) {
    if (resource.kind === "process" && (await isAlive(resource))) found.push(resource.id);
  }
  return found;
}

describe("after kill -9", () => {
  test("in the middle of a window, everything goes: services, Redis, PostgreSQL, databases, folder", async () => {
    const resources = await killedBench((event) => event.type === "measuring");
    expect(await alive(resources)).toHaveLength(4);
    // The fixture's services end by themselves when PostgreSQL goes away under them; Redis has to be stopped.
    const done = await recover(resources);
    expect(done.filter((line) => /Redis of arm [ab] .* is stopped/.test(line))).toHaveLength(2);
    expect(await alive(resources)).toEqual([]);
    expect(existsSync(join(home, "runs", "killed"))).toBe(false);
    expect(await recover(resources)).toEqual(
      expect.not.arrayContaining([expect.stringContaining("stopped")]),
    );
  });

  test("between a process's start and its line in the journal, it is found by its mark", async () => {
    const resources = await killedBench((event) => event.type === "measuring");
    // As if the journal had ended at each intent.
    const intents = resources.map((resource) =>
      resource.kind === "process" ? { ...resource, pid: 0, startTicks: "" } : resource,
    );
    const services = intents.filter((each) => each.id.includes("/service/"));
    const stopped = await removeResources(services, { home, adminUrl: undefined });
    expect(stopped.filter((line) => /service of the .* arm .* is stopped/.test(line))).toHaveLength(
      2,
    );
    const done = await recover(intents);
    expect(
      done.filter((line) => /^Redis \(process \d+, \d+\) is stopped$/.test(line)),
    ).toHaveLength(1);
    expect(await alive(resources)).toEqual([]);
  });

  test.each([2, 5, 9, 12])("after event %d", async (number) => {
    const resources = await killedBench((_, count) => count === number);
    await recover(resources);
    expect(await alive(resources)).toEqual([]);
    const marked = await Promise.all(
      resources.map((each) => findMarked(`PERFOPT_RESOURCE=${each.id}`)),
    );
    expect(marked.flat()).toEqual([]);
    expect(await findWorkingIn(home, ["redis-server", "valkey-server"])).toEqual([]);
  });
}, 120_000);

describe("what is not perfopt's stays", () => {
  test("a process whose id was used again", async () => {
    const other = await startProcess({
      command: { program: "sleep", args: ["60"], directory: home },
      env: process.env,
      logPath: join(home, "sleep.log"),
      title: "sleep",
    });
    const resource: Resource = {
      id: "p",
      kind: "process",
      title: "p",
      pid: other.pid,
      startTicks: "1",
    };
    expect(await removeResources([resource], { home, adminUrl: undefined })).toEqual([]);
    expect(await startTicksOf(other.pid)).toBe(other.startTicks);
    await removeResources([{ ...resource, startTicks: other.startTicks }], {
      home,
      adminUrl: undefined,
    });
    expect(await startTicksOf(other.pid)).toBeUndefined();
  });

  test.each<[string, Resource]>([
    ["a database of another name", { id: "d", kind: "database", name: "production" }],
    ["a folder outside of perfopt's home", { id: "f", kind: "directory", path: resolve("/tmp") }],
    ["perfopt's home itself", { id: "f", kind: "directory", path: "." }],
  ])("%s", async (_, resource) => {
    const path = resource.kind === "directory" && resource.path === "." ? home : undefined;
    const given = path === undefined ? resource : { ...resource, path };
    await expect(
      removeResources([given], { home, adminUrl: "postgres://localhost:1/x" }),
    ).rejects.toMatchObject({ code: "dirty-target" });
    expect(existsSync(home)).toBe(true);
  });

  test("a folder beside perfopt's home with a like name", async () => {
    const beside = `${home}-beside`;
    await mkdir(beside);
    const resource: Resource = {
      id: "f",
      kind: "directory",
      path: join(home, "..", `${home.split("/").at(-1)}-beside`),
    };
    await expect(removeResources([resource], { home, adminUrl: undefined })).rejects.toThrow(
      /not below/,
    );
    expect(existsSync(beside)).toBe(true);
    await rm(beside, { recursive: true });
  });
});
