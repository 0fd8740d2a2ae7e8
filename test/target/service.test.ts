import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { TargetFile } from "../../src/core/target-file.ts";
import { freePort } from "../../src/target/free-port.ts";
import { writeValue } from "../../src/core/knob-text.ts";
import { knobEnvironment, readValue } from "../../src/target/knob-values.ts";
import { isAlive, startTicksOf, treeUse } from "../../src/target/proc.ts";
import { startService, type StartService } from "../../src/target/service.ts";
import { fixtureTarget, neverAborted } from "../integration/stores.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "perfopt service-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Starts a program of a few lines as the service. */
async function start(
  code: string,
  changes: Partial<TargetFile["service"]> = {},
  options: Partial<StartService> = {},
) {
  const fixture = fixtureTarget();
  await writeFile(
    join(folder, "program.mjs"),
    `import { createServer } from "node:http";\n${code}`,
  );
  const targetFile: TargetFile = {
    ...fixture,
    service: {
      ...fixture.service,
      start: { program: "node", args: ["program.mjs", "${port}"], directory: folder },
      env: { STORES: "${postgres.url} ${redis.url}" },
      stopTimeoutMs: 300,
      ...changes,
    },
  };
  return startService({
    targetFile,
    values: {},
    postgresUrl: "postgres://me:secret@db/x",
    redisUrl: "redis://:hush@cache",
    environment: { PATH: process.env["PATH"], INHERITED: "yes" },
    logPath: join(folder, `${Math.round(performance.now() * 1000)}.log`),
    signal: neverAborted,
    ...options,
  });
}

const listen =
  "createServer((_, response) => response.end(JSON.stringify([process.env, process.argv]))).listen(Number(process.argv[2]), '127.0.0.1');";

function occupy(port: number): Promise<Server> {
  return new Promise((resolve) => {
    const server = createServer((_, response) => {
      response.statusCode = 503;
      response.end();
    });
    server.listen(port, "127.0.0.1", () => resolve(server));
  });
}

describe("one process of the service", () => {
  test("gets its port, its stores and its knobs, in arguments and environment", async () => {
    const service = await start(listen);
    const seen: unknown = await (await fetch(service.baseUrl)).json();
    const environment = {
      INHERITED: "yes",
      STORES: "postgres://me:secret@db/x redis://:hush@cache",
      POOL_MAX: "5",
      CACHE_TTL: "0",
    };
    const args = expect.arrayContaining([String(service.port)]);
    expect(seen).toEqual([expect.objectContaining(environment), args]);
    await service.stop();
    expect(await isAlive(service.process)).toBe(false);
  });

  test("one that exits is an error with its exit code and last words, secrets hidden", async () => {
    const failure = await start("console.log(process.env.STORES); process.exit(7);").catch(
      (error: unknown) => error,
    );
    expect(String(failure)).toMatch(/ended with exit code 7 before it was ready/);
    expect(String(failure)).toContain("postgres://***@db/x redis://***@cache");
  });

  test("one that never becomes ready is an error that says what it answered, and is stopped", async () => {
    const code =
      "createServer((_, r) => { r.statusCode = 418; r.end(); }).listen(Number(process.argv[2]));";
    let pid = 0;
    const starting = start(
      code,
      { startTimeoutMs: 4_000 },
      { onProcess: async (each) => void (pid = each.pid) },
    );
    await expect(starting).rejects.toThrow(/not ready within 4 s .*\/ready: status 418/);
    expect(await startTicksOf(pid)).toBeUndefined();
  });

  test("a port that is taken is replaced", async () => {
    const port = await freePort();
    const other = await occupy(port);
    const service = await start(listen, {}, { port });
    expect(service.port).not.toBe(port);
    await service.stop();
    other.close();
  });

  test("one that ignores SIGTERM is killed after its time, with its children", async () => {
    const code = `
      import { spawn } from "node:child_process";
      process.on("SIGTERM", () => {});
      const child = spawn("sleep", ["60"]);
      createServer((_, response) => response.end(String(child.pid))).listen(Number(process.argv[2]), '127.0.0.1');`;
    const service = await start(code);
    const child = Number(await (await fetch(service.baseUrl)).text());
    const own =
      Number(
        /^VmRSS:\s*(\d+)/m.exec(await readFile(`/proc/${service.process.pid}/status`, "utf8"))?.[1],
      ) * 1024;
    const tree = await treeUse(service.process.pid);
    expect(tree?.residentBytes).toBeGreaterThan(own * 0.9);
    expect(tree?.cpuMs).toBeGreaterThan(0);
    await service.stop();
    expect(await isAlive(service.process)).toBe(false);
    expect((await treeUse(child))?.residentBytes ?? 0).toBe(0);
  });

  test("a program that is not there is an error that names it", async () => {
    const command = { program: "no-such-program", args: [], directory: folder };
    await expect(start("", { start: command })).rejects.toMatchObject({
      code: "bad-input",
      message: expect.stringContaining("no-such-program"),
    });
  });

  test("a migration that fails is an error with its words, and the service is not started", async () => {
    const migrate = {
      program: "node",
      args: ["-e", "console.error('no column', process.env.STORES); process.exit(4)"],
      directory: folder,
    };
    const failure = await start("throw new Error('was started')", { migrate }).catch(
      (error: unknown) => error,
    );
    expect(String(failure)).toMatch(
      /the migration of fixture ended with exit code 4[\s\S]*no column postgres:\/\/\*\*\*@db/,
    );
    expect(String(failure)).not.toContain("was started");
  });

  test("redis.url without a Redis is an error that names the file", async () => {
    await expect(start(listen, {}, { redisUrl: undefined })).rejects.toThrow(
      /fixture.yaml.*no redis/,
    );
  });
}, 30_000);

describe("a knob's value", () => {
  const knobs = fixtureTarget().knobs;
  const ttl = knobs[1]!;
  const memory = knobs[2]!;

  test("is written in the unit of its setter", () => {
    expect(writeValue(ttl, 1_500)).toBe("1500");
    expect(writeValue({ ...ttl, set: env("s") }, 1_500)).toBe("1.5");
    expect(writeValue({ ...memory, set: env("mb") }, 32 * 1024 ** 2)).toBe("32");
    expect(writeValue({ ...memory, set: env("bytes") }, 1024)).toBe("1024");
    expect(writeValue({ ...ttl, domain: { kind: "bool" } }, true)).toBe("true");
  });

  test("is read as Redis writes it", () => {
    expect(readValue(memory, "1048576")).toBe(1_048_576);
    expect(readValue({ ...memory, domain: { kind: "bool" } }, "yes")).toBe(true);
    expect(readValue({ ...memory, domain: { kind: "enum", values: [] } }, "allkeys-lru")).toBe(
      "allkeys-lru",
    );
  });

  test("defaults where nothing else is said; Redis knobs are no variables", () => {
    expect(knobEnvironment(knobs, { "pool-max": 9 })).toEqual({ POOL_MAX: "9", CACHE_TTL: "0" });
  });
});

function env(unit: "ms" | "s" | "bytes" | "mb") {
  return { kind: "env", variable: "X", unit } as const;
}
