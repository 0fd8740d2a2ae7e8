/** `perfopt doctor` as a process, on a sick service with real stores. A healthy one is in test/doctor/bench.test.ts. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { faults, writeTarget, type Fault } from "../../bench/doctor/faults.ts";
import { contextOf } from "../../src/cli/context.ts";
import { main } from "../../src/cli/main.ts";
import type { DoctorResult, EnvironmentResult } from "../../src/core/diagnosis.ts";
import { makePlace, perfopt, type Place } from "./perfopt.ts";

let place: Place;
beforeAll(() => {
  place = makePlace();
  // PostgreSQL never runs as root: its user has to get in.
  chmodSync(place.folder, 0o755);
});
afterAll(() => place.remove());

function fault(name: string): Fault {
  const found = faults.find((each) => each.name === name);
  if (!found) throw new Error(`there is no fault ${name}`);
  return found;
}

const target = (name: string) =>
  writeTarget(fault(name), {
    folder: join(place.folder, "faults"),
    scale: "small",
    upstreamUrl: "http://127.0.0.1:9/",
  });

/** On a machine that others use too: what is looked for here is what no neighbour can imitate. */
const BUSY = ["--busy-machine", "--lag-max", "10s"];
const SHORT = ["--duration", "1500ms", "--warmup", "300ms", ...BUSY];

describe("on real stores", () => {
  test(
    "a missing index is named first, in text and files, with exit code 1",
    { timeout: 240_000 },
    async () => {
      const path = await target("slow-query");
      const { rate } = fault("slow-query");
      const args = ["doctor", "--target", path, "--rate", rate, ...SHORT, "--output", "told"];
      const { code, out, err } = await perfopt(place, args);
      expect(err).not.toContain("error:");
      expect([code, out.split("\n")[0]]).toEqual([1, expect.stringMatching(/^SLOW-QUERY/)]);
      // The folder's name has a space: a shell takes the command as it is.
      expect(out).toMatch(/perfopt advise indexes --target '?\//);
      expect(out).toContain(path);
      expect(out).toContain("FROM events WHERE owner");
      const result: DoctorResult = JSON.parse(
        readFileSync(join(place.folder, "told", "doctor.json"), "utf8"),
      );
      expect(result).toMatchObject({
        schema: "perfopt-doctor/v1",
        target: "doctor-faults",
        diagnosis: { verdict: "slow-query" },
      });
      expect(result.windows.map(({ name }) => name)).toEqual(["quiet", "light", "usual"]);
      expect(JSON.stringify(result)).not.toMatch(/redis:\/\/:[^*]/);
      expect(readFileSync(join(place.folder, "told", "doctor.md"), "utf8")).toContain("SLOW-QUERY");
    },
  );
});

test("the environment alone, as JSON", async () => {
  const { code, out } = await perfopt(place, ["doctor", "--environment", "--json"]);
  const { schema, checks }: EnvironmentResult = JSON.parse(out);
  expect([schema, code]).toEqual(["perfopt-doctor-environment/v1", 0]);
  expect(checks.map(({ id }) => id)).toEqual(
    expect.arrayContaining(["node", "redis", "postgres", "leftovers"]),
  );
});

test("without redis-server the environment is not ready, and the exit code says so", async () => {
  const { code, out } = await perfopt(place, ["doctor", "--environment"], { PATH: place.folder });
  expect(code).toBe(3);
  expect(out).toContain("none on the PATH");
});

test.each([
  ["--duration and --window do not go together", ["--duration", "2s", "--window", "2s"]],
  ["--rate many: expected", ["--rate", "many"]],
  ["there is no workload", ["--workload", "none-such"]],
])("%s: bad input, before anything is started", async (message, args) => {
  const { code, err } = await perfopt(place, ["doctor", ...args]);
  expect(code).toBe(2);
  expect(err).toContain(message.replace("there is no workload", "defines no workload none-such"));
});

/** The same without a process. */
async function inProcess(...args: readonly string[]) {
  const printed = { out: "", err: "" };
  const code = await main(args, {
    ...contextOf(args),
    home: place.home,
    out: (text) => void (printed.out += text),
    err: (text) => void (printed.err += text),
  });
  return { code, ...printed };
}

test("a URL at which nothing listens is said at once, without any load", async () => {
  const { code, err } = await inProcess("doctor", "--url", "http://127.0.0.1:1/", "--rate", "5");
  expect(code).toBe(3);
  expect(err).toContain("the service at http://127.0.0.1:1 cannot be reached: connection refused");
  expect(err).not.toContain("light:");
});

test("a service that always answers 500 has no share of saturation: its statuses are named", async () => {
  const server = createServer((_, response) => response.writeHead(500).end());
  await once(server.listen(0, "127.0.0.1"), "listening");
  try {
    const address = server.address();
    const port = typeof address === "object" ? address?.port : undefined;
    const url = `http://127.0.0.1:${port}/`;
    const { code, err } = await inProcess("doctor", "--url", url, ...SHORT);
    expect(code).toBe(3);
    expect(err).toMatch(/the service fails: 100 % of the requests failed \(500: \d+\)/);
  } finally {
    server.close();
    server.closeAllConnections();
  }
});

/** Answers after a while, and no more than two at once: what it has no place for it turns away. */
const FULL = `
let underWay = 0;
const answer = (_, response) => {
  if (underWay >= 2) return response.writeHead(503, { "retry-after": 1 }).end();
  underWay += 1;
  setTimeout(() => { underWay -= 1; response.end("done"); }, 100);
};
const server = require("node:http").createServer(answer);
server.listen(0, "127.0.0.1", () => console.log(server.address().port));`;

test("a service that turns requests away is at its own limit, which is said, and does not fail", async () => {
  const service = spawn(process.execPath, ["-e", FULL], { stdio: ["ignore", "pipe", "inherit"] });
  try {
    const [port] = await once(service.stdout, "data");
    const url = `http://127.0.0.1:${String(port).trim()}/`;
    const load = ["--rate", "60", "--duration", "800ms", "--warmup", "100ms"];
    const { code, out } = await inProcess("doctor", "--url", url, ...load, ...BUSY, "--json");
    const { diagnosis }: DoctorResult = JSON.parse(out);
    const { verdict, headline, findings, because } = diagnosis;
    expect(headline).not.toContain("fails");
    // Beside other tests the service may not get the CPU that it wants, which is said instead, with what was turned away.
    expect(["request-limit 1", "unknown 3"]).toContain(`${verdict} ${code}`);
    const told = findings[0]?.evidence ?? because;
    expect(told[0]).toMatch(/requests (?:turned|were turned) away/);
  } finally {
    service.kill();
  }
});

test("--environment refuses what it would ignore", async () => {
  const { code, err } = await inProcess("doctor", "--environment", "--rate", "5", "--strict");
  expect(code).toBe(2);
  expect(err).toContain("does not go with --rate, --strict");
});
