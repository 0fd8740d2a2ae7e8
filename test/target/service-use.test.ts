import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, rmdirSync, writeFileSync } from "node:fs";
import { afterEach, describe, expect, test } from "vitest";
import { freePort } from "../../src/target/free-port.ts";
import { findServiceUse, readServiceUse } from "../../src/target/service-use.ts";

const started: ChildProcess[] = [];
afterEach(stopAll);

/** With their children. */
async function stopAll(): Promise<void> {
  for (const child of started.splice(0)) {
    if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
    await once(child, "exit");
  }
}

const LISTEN = "require('node:http').createServer((_, r) => r.end()).listen(PORT, '127.0.0.1')";

/** Starts a node program that says something when it is ready; returns its id. */
async function run(code: string): Promise<number> {
  const child = spawn(process.execPath, ["-e", code], {
    stdio: ["ignore", "pipe", "inherit"],
    detached: true,
  });
  started.push(child);
  await once(child.stdout, "data");
  return child.pid ?? 0;
}

function listener(port: number): string {
  return `${LISTEN.replace("PORT", String(port))}.on('listening', () => console.log('ready'))`;
}

describe("who does the service's work", () => {
  test("the process that was started, when it or a child of it listens", async () => {
    const port = await freePort();
    const pid = await run(listener(port));
    expect(await findServiceUse(pid, port)).toMatchObject({ kind: "tree", pid });
    const other = await freePort();
    const wrapper = await run(
      `require('node:child_process').spawn(process.execPath, ['-e', ${JSON.stringify(listener(other))}], { stdio: ['pipe', 'inherit', 'inherit'] })`,
    );
    const use = await findServiceUse(wrapper, other);
    expect(use).toMatchObject({ kind: "tree", pid: wrapper });
    expect((await readServiceUse(use))?.cpuMs).toBeGreaterThan(0);
  });

  test("another process that listens on its port: a service manager started it", async () => {
    const port = await freePort();
    const waiting = await run("console.log('ready'); setInterval(() => {}, 1000)");
    const pid = await run(listener(port));
    expect(await findServiceUse(waiting, port)).toMatchObject({ kind: "tree", pid });
  });

  test("nobody to be seen: unknown, with the reason, and nothing is read", async () => {
    const waiting = await run("console.log('ready'); setInterval(() => {}, 1000)");
    const use = await findServiceUse(waiting, await freePort());
    expect(use).toMatchObject({ kind: "unknown", why: expect.stringContaining("container") });
    expect(await readServiceUse(use)).toBeUndefined();
  });

  test("a control group of its own is read, where the system lets one be made; one that others share is not", async () => {
    const port = await freePort();
    const pid = await run(listener(port));
    const group = makeGroup();
    if (group === undefined) {
      expect(await findServiceUse(pid, port)).toMatchObject({ kind: "tree" });
      return;
    }
    try {
      writeFileSync(`${group}/cgroup.procs`, String(pid));
      const use = await findServiceUse(pid, port);
      expect(use).toEqual({ kind: "cgroup", folder: group, pid });
      const before = (await readServiceUse(use))?.cpuMs ?? Number.NaN;
      for (let index = 0; index < 50; index += 1) await fetch(`http://127.0.0.1:${port}`);
      const after = (await readServiceUse(use))?.cpuMs ?? Number.NaN;
      expect(after).toBeGreaterThan(before);
      const stranger = await run("console.log('ready'); setInterval(() => {}, 1000)");
      writeFileSync(`${group}/cgroup.procs`, String(stranger));
      expect(await findServiceUse(pid, port)).toMatchObject({ kind: "tree", pid });
    } finally {
      await stopAll();
      rmdirSync(group);
    }
  });
}, 30_000);

/** Only root may, and only where control groups of version 2 are mounted. */
function makeGroup(): string | undefined {
  for (const mount of ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"]) {
    const folder = `${mount}/perfopt-test-${process.pid}`;
    try {
      mkdirSync(folder);
    } catch {
      continue;
    }
    try {
      writeFileSync(`${folder}/cgroup.procs`, "");
    } catch {
      // Not a control group, or not of version 2.
    }
    return folder;
  }
  return undefined;
}
