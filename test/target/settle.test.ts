import { createServer } from "node:http";
import { afterEach, expect, test } from "vitest";
import { backlogChecks, settleJobs } from "../../src/target/settle.ts";
import { freePort } from "../../src/target/free-port.ts";

const closing: (() => void)[] = [];
afterEach(() => closing.splice(0).forEach((close) => close()));

/** A service that tells so many waiting jobs, one answer after another; its first page is an error. */
async function subjectTelling(depths: readonly number[], started = true) {
  const port = await freePort();
  let asked = 0;
  const server = createServer((_request, response) => {
    asked += 1;
    if (asked === 1) response.writeHead(503).end();
    else response.end(`jobs ${depths[Math.min(asked - 2, depths.length - 1)] ?? 0}\n`);
  });
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  closing.push(() => server.close());
  const process = { pid: 1, startTicks: "1" };
  const metrics = { url: `http://127.0.0.1:${port}/metrics`, series: { queueWaiting: "jobs" } };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- no more of a subject is looked at
  const subject = { process: started ? process : undefined, sources: { metrics } } as never;
  return { subject, asked: () => asked };
}

test("it waits until the queue is empty, and longer where the page does not come", async () => {
  const { subject, asked } = await subjectTelling([3, 1, 0]);
  expect(await settleJobs(subject, new AbortController().signal)).toBe(0);
  expect(asked()).toBe(4);
});

test("of a service that perfopt did not start nothing is waited for", async () => {
  const { subject, asked } = await subjectTelling([3], false);
  expect(await settleJobs(subject, new AbortController().signal)).toBe(0);
  expect(asked()).toBe(0);
});

test("an interrupt ends the wait, and what was left makes the next window invalid", async () => {
  const { subject } = await subjectTelling([7]);
  const stop = new AbortController();
  const settling = settleJobs(subject, stop.signal);
  setTimeout(() => stop.abort(), 500);
  expect(await settling).toBe(7);
  expect(backlogChecks(7)).toMatchObject([{ id: "no-backlog", ok: false, value: 7 }]);
  expect(backlogChecks(0)).toEqual([]);
});
