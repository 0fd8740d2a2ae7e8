import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { HostUse } from "../../src/core/sample.ts";
import { openHostMeter } from "../../src/load/host.ts";

let proc: string;
beforeEach(() => {
  proc = mkdtempSync(join(tmpdir(), "perfopt-proc-"));
  mkdirSync(join(proc, "pressure"));
  mkdirSync(join(proc, "self"));
});
afterEach(() => rmSync(proc, { recursive: true, force: true }));

interface Machine {
  readonly user: number;
  readonly system: number;
  readonly idle: number;
  readonly softirq?: number;
  readonly steal?: number;
}

function writeMachine({ user, system, idle, softirq = 0, steal = 0 }: Machine): void {
  const line = `cpu  ${user} 0 ${system} ${idle} 0 0 ${softirq} ${steal} 0 0`;
  writeFileSync(join(proc, "stat"), `${line}\ncpu0 1 2 3 4 5 6 7 8 9 10\nbtime 5\n`);
}

const KERNEL_THREAD = 0x200000;

/** Own ticks, and those of children that ended and were waited for; the name is as bad as a name can be. */
function writeProcess(pid: number, parent: number, ticks: number, reaped = 0, flags = 0): void {
  mkdirSync(join(proc, String(pid)), { recursive: true });
  const fields = ["S", parent, 0, 0, 0, 0, flags, 0, 0, 0, 0, ticks - 1, 1, reaped, 0];
  writeFileSync(
    join(proc, String(pid), "stat"),
    `${pid} (a) R 1 (b) ${fields.join(" ")} 20 0 1 0 99 0 0`,
  );
}

function end(pid: number): void {
  rmSync(join(proc, String(pid)), { recursive: true });
}

function measured(before: () => void, after: () => void, known = true): HostUse {
  before();
  const meter = openHostMeter(known, proc);
  meter.windowStarts();
  after();
  meter.windowEnds();
  return meter.use();
}

const { pid } = process;

test("foreign is what all processes used but this one and its descendants, ended ones included", () => {
  const use = measured(
    () => {
      writeMachine({ user: 1_000, system: 100, idle: 5_000 });
      // A child of a child is listed before its parent.
      writeProcess(3, pid + 2, 40);
      writeProcess(pid, 2, 100);
      writeProcess(pid + 1, pid, 30);
      writeProcess(pid + 2, pid, 10);
      // Strangers: 7 has a child that will end, 9 is a thread of the kernel.
      writeProcess(7, 1, 500);
      writeProcess(8, 7, 400);
      writeProcess(9, 2, 100, 0, KERNEL_THREAD);
    },
    () => {
      writeMachine({ user: 1_010, system: 100, idle: 5_190 });
      writeProcess(3, pid + 2, 60);
      // Its 30 ticks and 15 more have gone to its parent; another one is new.
      end(pid + 1);
      writeProcess(pid, 2, 110, 45);
      writeProcess(pid + 3, pid, 5);
      // 8 used 6 more before it ended.
      end(8);
      writeProcess(7, 1, 504, 406);
      writeProcess(9, 2, 150, 0, KERNEL_THREAD);
    },
  );
  expect(use.foreignShare).toBeCloseTo((4 + 6) / 200, 9);
});

test("work that no visible process did is foreign: another container's", () => {
  const use = measured(
    () => {
      writeMachine({ user: 0, system: 0, idle: 0 });
      writeProcess(pid, 1, 10, 5);
      writeProcess(7, 1, 50);
    },
    () => {
      writeMachine({ user: 90, system: 30, idle: 50, softirq: 30 });
      writeProcess(pid, 1, 50, 10);
      writeProcess(7, 1, 60);
    },
  );
  // 120 ticks of programs, 45 of them own; interrupts are nobody's.
  expect(use.foreignShare).toBeCloseTo((120 - 45) / 200, 9);
});

test("neither own work that the machine's samples missed nor an id that is used again counts as foreign", () => {
  const use = measured(
    () => {
      writeMachine({ user: 0, system: 0, idle: 0 });
      writeProcess(pid, 1, 10);
      // Ended without anybody that waited for it.
      writeProcess(7, 1, 5_000);
    },
    () => {
      writeMachine({ user: 50, system: 0, idle: 50 });
      writeProcess(pid, 1, 70);
      end(7);
    },
  );
  expect(use.foreignShare).toBe(0);
});

test("steal is a share of all CPU time, pressure one of the time that passed", async () => {
  const pressure = (total: number) =>
    writeFileSync(
      join(proc, "pressure", "cpu"),
      `some avg10=1.00 avg60=1.00 avg300=1.00 total=${total}\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=9\n`,
    );
  writeMachine({ user: 0, system: 0, idle: 100 });
  pressure(1_000_000);
  const meter = openHostMeter(false, proc);
  const startedAt = performance.now();
  meter.windowStarts();
  await wait(50);
  writeMachine({ user: 60, system: 0, idle: 133, steal: 7 });
  pressure(1_005_000);
  meter.windowEnds();
  const elapsedMs = performance.now() - startedAt;
  const { pressureShare, stealShare, foreignShare } = meter.use();
  expect(stealShare).toBeCloseTo(0.07, 9);
  expect(pressureShare).toBeLessThanOrEqual(5 / 50);
  expect(pressureShare).toBeGreaterThanOrEqual(5 / (elapsedMs + 1));
  expect(foreignShare).toBeUndefined();
});

test("what the system does not tell is absent", () => {
  expect(
    measured(
      () => undefined,
      () => undefined,
    ),
  ).toEqual({});
  expect(openHostMeter(true, join(proc, "nowhere")).use()).toEqual({});
  const withoutPressure = measured(
    () => writeMachine({ user: 0, system: 0, idle: 0 }),
    () => writeMachine({ user: 0, system: 0, idle: 10 }),
  );
  expect(withoutPressure).toEqual({ stealShare: 0 });
});

test.runIf(existsSync("/proc/stat"))("a real machine tells all of it in shares", async () => {
  const meter = openHostMeter(true);
  meter.windowStarts();
  // Counted in ticks of 10 ms.
  await wait(500);
  const use = meter.use();
  expect(use.foreignShare).toBeGreaterThanOrEqual(0);
  for (const share of Object.values(use)) {
    expect(share).toBeGreaterThanOrEqual(0);
    expect(share).toBeLessThanOrEqual(1.1);
  }
});
