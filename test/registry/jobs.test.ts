/** Order, bound and pauses of jobs: what needs no store. */
import { describe, expect, test } from "vitest";
import { TooBusyError } from "../../src/registry/errors.ts";
import { createAdmission } from "../../src/registry/jobs/admission.ts";
import {
  backoffMs,
  CLASSES,
  PostponedError,
  priorityOf,
  RANK_UNIT_MS,
  rankOffsetMs,
  type JobClass,
} from "../../src/registry/jobs/job.ts";
import { postponedMs } from "../../src/registry/jobs/postponement.ts";
import { openReceivers, ReceiverError, type Receivers } from "../../src/registry/jobs/receivers.ts";
import { startReceiver } from "./jobs/world.ts";
import { assert, constantFrom, double, integer, property } from "../properties.ts";

const EPOCH_MS = RANK_UNIT_MS * (2 ** 21 - 1);
const START_MS = EPOCH_MS * 13;
const AGEING = { priorities: true, ageingMs: 5_000 };

const priority = (jobClass: JobClass, atMs: number, order = AGEING) =>
  priorityOf(atMs + rankOffsetMs(jobClass, order), atMs, order);

describe("order", () => {
  test("a job is served before those of the next higher class that came the ageing time after it", () => {
    const time = integer({ min: 0, max: EPOCH_MS / 2 });
    const lower = constantFrom<readonly [JobClass, JobClass]>(
      ["normal", "high"],
      ["low", "normal"],
    );
    assert(
      property(time, integer({ min: 0, max: 20_000 }), lower, (at, laterMs, [low, high]) => {
        const first = priority(low, START_MS + at);
        const second = priority(high, START_MS + at + laterMs);
        if (laterMs >= AGEING.ageingMs + RANK_UNIT_MS) expect(first).toBeLessThan(second);
        if (laterMs <= AGEING.ageingMs - RANK_UNIT_MS) expect(first).toBeGreaterThan(second);
      }),
    );
  });

  test("the classes are served strictly in order without ageing, and not at all with priorities off", () => {
    const strict = { priorities: true, ageingMs: 0 };
    expect(CLASSES.map((each) => priority(each, START_MS, strict))).toEqual([1, 2, 3]);
    expect(priority("low", START_MS, strict)).toBe(priority("low", START_MS + 1e9, strict));
    const off = { priorities: false, ageingMs: 5_000 };
    expect(CLASSES.map((each) => priority(each, START_MS, off))).toEqual([0, 0, 0]);
  });

  test("every priority is one that BullMQ takes, and an epoch's end puts nothing back", () => {
    const times = integer({ min: -3, max: 3 });
    assert(
      property(times, constantFrom(...CLASSES), (units, jobClass) => {
        const atMs = START_MS + units * RANK_UNIT_MS;
        const found = priority(jobClass, atMs);
        expect(found).toBeGreaterThanOrEqual(1);
        expect(found).toBeLessThan(2 ** 21);
      }),
    );
    // Sent again after the epoch's end, a job of before it comes first.
    expect(priorityOf(START_MS - 1, START_MS + 1, AGEING)).toBe(1);
  });

  test("nothing starves: while jobs of the highest class fill the server for ever, one of the lowest waits its ageing", () => {
    const served = serve({ everyMs: 10, serviceMs: 10, forMs: 60_000, lowAtMs: 1_000 });
    const waitedMs = served - 1_000;
    expect(waitedMs).toBeGreaterThan(2 * AGEING.ageingMs - 200);
    expect(waitedMs).toBeLessThan(2 * AGEING.ageingMs + 200);
  });
});

/** One server and a backlog of high jobs that never ends; when the one low job is begun. */
function serve(run: {
  everyMs: number;
  serviceMs: number;
  forMs: number;
  lowAtMs: number;
}): number {
  const waiting: { readonly priority: number; readonly low: boolean }[] = [];
  for (let atMs = 0, next = 0; atMs < run.forMs; atMs += run.serviceMs) {
    for (; next <= atMs; next += run.everyMs)
      waiting.push({ priority: priority("high", START_MS + next), low: false });
    if (atMs === run.lowAtMs)
      waiting.push({ priority: priority("low", START_MS + atMs), low: true });
    // toSorted is stable, as BullMQ's counter is: equals are served first come, first served.
    const [first, ...rest] = waiting.toSorted((a, b) => a.priority - b.priority);
    if (first?.low === true) return atMs;
    waiting.splice(0, waiting.length, ...rest);
    // One is always left over.
    if (waiting.length === 0)
      waiting.push({ priority: priority("high", START_MS + atMs), low: false });
  }
  return Infinity;
}

describe("bound", () => {
  test("refuses from the bound on until a fifth of it is free again", () => {
    const { admits } = createAdmission(100, false);
    expect(admits("normal", 99)).toBe(true);
    expect(admits("normal", 100)).toBe(false);
    expect(admits("normal", 81)).toBe(false);
    expect(admits("normal", 80)).toBe(true);
    expect(admits("normal", 99)).toBe(true);
  });

  test("sheds the lowest class first and takes it back last", () => {
    const { admits } = createAdmission(100, true);
    const admitted = (waiting: number) => CLASSES.filter((each) => admits(each, waiting));
    expect(admitted(79)).toEqual(["high", "normal", "low"]);
    expect(admitted(80)).toEqual(["high", "normal"]);
    expect(admitted(90)).toEqual(["high"]);
    expect(admitted(100)).toEqual([]);
    expect(admitted(81)).toEqual([]);
    expect(admitted(80)).toEqual(["high"]);
    expect(admitted(70)).toEqual(["high", "normal"]);
    expect(admitted(60)).toEqual(["high", "normal", "low"]);
  });

  test("the outbox fills nothing above the mark at which clients are let in, nor ever a class's whole share", () => {
    const waitings = integer({ min: 0, max: 1_200 });
    const limits = integer({ min: 2, max: 1_000 });
    assert(
      property(limits, waitings, constantFrom(...CLASSES), (limit, waiting, each) => {
        const { admits, roomForHeld } = createAdmission(limit, true);
        const room = roomForHeld(each, waiting);
        admits(each, limit);
        if (!admits(each, waiting)) expect(room).toBe(0);
        else expect(room).toBeGreaterThan(0);
        if (limit >= 10 && room > 0) {
          expect(createAdmission(limit, true).admits(each, waiting + room)).toBe(true);
          expect(admits("high", waiting + room)).toBe(true);
        }
      }),
    );
  });

  test("a bound of one admits one", () => {
    const { admits, roomForHeld } = createAdmission(1, true);
    expect([roomForHeld("low", 0), roomForHeld("low", 1)]).toEqual([1, 0]);
    expect(admits("low", 0)).toBe(true);
    expect(admits("low", 1)).toBe(false);
    expect(admits("low", 0)).toBe(true);
  });

  test("Retry-After is the time to get below the bound at the measured rate, in whole seconds of a minute at most", () => {
    const { retryAfterSeconds } = createAdmission(100, false);
    const seconds = (finishedPerSecond: number, held = 0) =>
      retryAfterSeconds("normal", { waiting: 100, held, finishedPerSecond });
    expect(seconds(7)).toBe(3);
    expect(seconds(1_000)).toBe(1);
    expect(seconds(0)).toBe(60);
    // Those of the outbox that come first, not all of them.
    expect(seconds(1, 5)).toBe(25);
    expect(seconds(1, 10_000)).toBe(30);
  });
});

const after = (error: unknown, acceptedMs = 0) =>
  postponedMs({ acceptedMs, startedMs: 0 }, error, 0);
const coded = (code: string) => Object.assign(new Error("said by PostgreSQL"), { code });

test("what a job found lacking is no attempt: for an hour, and not what it did itself", () => {
  expect(after(new TooBusyError("threads", 6))).toBe(3_000);
  expect(after(new PostponedError("circuit", 700))).toBe(700);
  for (const lack of [
    coded("40P01"),
    coded("40001"),
    coded("57P01"),
    new Error("timeout exceeded when trying to connect"),
  ]) {
    expect(after(lack)).toBe(500);
    expect(after(lack, -3_700_000)).toBeUndefined();
  }
  for (const fault of [
    new Error("no"),
    coded("57014"),
    coded("22P02"),
    new ReceiverError("timeout expired", { cause: coded("ECONNREFUSED") }),
  ])
    expect(after(fault)).toBeUndefined();
});

const openSome = () =>
  openReceivers({ timeoutMs: 5_000, breakerFailures: 2, breakerResetMs: 60_000, took() {} });
const post = (receivers: Receivers, url: string) =>
  receivers
    .post({ url, secret: "s", deliveryId: "d", body: "{}" }, new AbortController().signal)
    .catch((error: unknown) => (error instanceof Error ? error : new Error(String(error))));

describe("receivers", () => {
  test("a refusal of one request does not close a host off, overload and faults do; no secret of the address is told", async () => {
    const [receiver, receivers] = [await startReceiver(), openSome()];
    const secretly = receiver.url.replace("http://", "http://user:password@");
    try {
      receiver.answer("/gone?token=t", 404);
      for (let attempt = 0; attempt < 4; attempt += 1)
        expect(await post(receivers, `${secretly}/gone?token=t`)).toMatchObject({
          name: "ReceiverError",
          message: `The receiver ${receiver.url}/gone answered with 404.`,
        });
      receiver.answer("/busy", 429);
      const names = [];
      for (let attempt = 0; attempt < 3; attempt += 1) {
        const answer = await post(receivers, `${receiver.url}/busy`);
        names.push(answer instanceof Error ? answer.name : answer);
      }
      expect(names).toEqual(["ReceiverError", "ReceiverError", "PostponedError"]);
    } finally {
      await Promise.all([receiver.close(), receivers.close()]);
    }
  });

  test("hosts that were asked long ago are forgotten", async () => {
    const receivers = openSome();
    try {
      // Port 1 of the loopback network is nobody's: each is refused at once.
      for (let host = 1; host <= 300; host += 1)
        await post(receivers, `http://127.0.${Math.floor(host / 200)}.${1 + (host % 200)}:1/`);
      const hosts = [...receivers.circuits().keys()];
      expect(hosts.length).toBeLessThan(300);
      expect(hosts.at(-1)).toBe("127.0.1.101:1");
    } finally {
      await receivers.close();
    }
  });
});

test("pauses double with each attempt, and chance moves them within their upper half", () => {
  const chance = double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
  assert(
    property(integer({ min: 1, max: 5 }), chance, (attempt, at) => {
      const wholeMs = 1_000 * 2 ** (attempt - 1);
      const pauseMs = backoffMs(1_000, attempt, at);
      expect(pauseMs).toBeGreaterThanOrEqual(wholeMs / 2);
      expect(pauseMs).toBeLessThanOrEqual(wholeMs);
    }),
  );
  expect(backoffMs(1_000, 60, 0)).toBe(300_000);
});
