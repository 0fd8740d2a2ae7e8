import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { captureMonitor, type CaptureOptions } from "../../src/target/redis-monitor.ts";
import { CAPTURE_RULES } from "../../src/target/redis-access.ts";
import { createLines } from "../../src/target/redis-monitor-lines.ts";
import {
  MONITOR_LIMITS,
  whyStop,
  type Baseline,
  type Present,
  type ServerReading,
} from "../../src/target/redis-monitor-watch.ts";
import type { RedisServer } from "../../src/target/redis-server.ts";
import { neverAborted } from "../integration/stores.ts";
import { startTestRedis, type TestRedis } from "./redis.ts";

let redis: TestRedis;
let server: RedisServer;
beforeAll(async () => {
  redis = await startTestRedis({ maxmemory: "64mb", "maxmemory-policy": "allkeys-lru" });
  ({ server } = redis);
});
afterAll(() => redis.stop());

/** A machine that is busy with other tests answers late: only what a test is about may end its capture. */
const UNHURRIED = { medianMs: 1e6, slowestMs: 1e6 };

interface Line {
  readonly line: string;
  readonly atMs: number;
}

async function capture(changes: Partial<CaptureOptions> = {}, url = server.url) {
  const lines: Line[] = [];
  const result = await captureMonitor(url, {
    durationMs: 600,
    rowsMax: 100_000,
    baselineMs: 200,
    limits: UNHURRIED,
    signal: neverAborted,
    onLine: (line, atMs) => void lines.push({ line, atMs }),
    ...changes,
  });
  return { result, lines };
}

/** Some hundreds of commands a second, until `stop`. */
function traffic(value = "v".repeat(50)) {
  const stopping = new AbortController();
  const sent: string[] = [];
  const running = (async () => {
    for (let index = 0; !stopping.signal.aborted; index += 1) {
      const key = `item:${index % 37}`;
      sent.push(key);
      await server.client.set(key, value, "PX", 60_000);
      await server.client.get(key);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  })();
  return {
    sent,
    stop: () => {
      stopping.abort();
      return running;
    },
  };
}

async function monitors(): Promise<readonly string[]> {
  const list = String(await server.client.client("LIST"));
  return list.split("\n").filter((line) => /\bflags=O\b|cmd=monitor/.test(line));
}

describe("capture by MONITOR", () => {
  test("sees what was done, in order and with its times, and says what it cost", async () => {
    const load = traffic('a "quoted"\r\nvalue');
    const { result, lines } = await capture({ durationMs: 1_000 });
    await load.stop();
    expect(result.stoppedBecause).toBe("duration");
    expect(result.dutyShare).toBe(1);
    expect(result.windows).toHaveLength(1);
    expect(result.windows[0]?.toMs).toBeGreaterThanOrEqual(990);
    expect(result.lines).toBe(lines.length);
    expect(result.bytes).toBeGreaterThan(lines.length * 30);
    const keysSet = lines.flatMap(({ line }) => /"set" "(item:\d+)"/.exec(line)?.[1] ?? []);
    expect(keysSet.length).toBeGreaterThan(20);
    // None of perfopt's own.
    expect(lines.filter(({ line }) => !/"(?:set|get)" "item:/.test(line))).toEqual([]);
    // A piece of what was sent, with nothing left out and nothing twice.
    expect(load.sent.join(" ")).toContain(keysSet.join(" "));
    // Line ends inside of values do not end a line.
    const set = lines.find(({ line }) => line.includes('"set"'))?.line;
    expect(set).toMatch(
      /^\d+\.\d+ \[0 127\.0\.0\.1:\d+\] "set" "item:\d+" "a \\"quoted\\"\\r\\nvalue" "PX" "60000"$/,
    );
    const times = lines.map(({ atMs }) => atMs);
    expect(times).toEqual(times.toSorted((left, right) => left - right));
    expect(times.at(-1)).toBeLessThanOrEqual((result.windows[0]?.toMs ?? 0) + 1);
    expect(result.before.opsPerSecond).toBeGreaterThan(50);
    expect(result.during.opsPerSecond).toBeGreaterThan(50);
    expect(result.during.answerMedianMs).toBeGreaterThan(0);
    expect(result.heldBytesMax).toBeGreaterThan(0);
  });

  test("listens in windows with pauses between them", async () => {
    const load = traffic();
    const { result, lines } = await capture({ durationMs: 1_500, windowMs: 200, dutyShare: 0.4 });
    await load.stop();
    expect(result.dutyShare).toBe(0.4);
    // 200 ms on, 300 ms off: three times in 1,500 ms; fewer when opening took long.
    expect(result.windows.length).toBeGreaterThanOrEqual(2);
    expect(result.windows.length).toBeLessThanOrEqual(3);
    const [first, second] = result.windows;
    expect((second?.fromMs ?? 0) - (first?.toMs ?? 0)).toBeGreaterThanOrEqual(295);
    const outside = lines.filter(
      ({ atMs }) =>
        !result.windows.some(({ fromMs, toMs }) => atMs >= fromMs - 5 && atMs <= toMs + 5),
    );
    expect(outside).toEqual([]);
    expect(lines.length).toBeGreaterThan(20);
  });

  test("ends with the last row that was asked for", async () => {
    const load = traffic();
    const { result, lines } = await capture({ durationMs: 20_000, rowsMax: 25 });
    await load.stop();
    expect(result.stoppedBecause).toBe("rows");
    expect(lines).toHaveLength(25);
    expect(result.windows[0]?.toMs).toBeLessThan(10_000);
  });

  test("refuses a server that is too busy, before it listens, and says what to do instead", async () => {
    const load = traffic();
    const lines: string[] = [];
    const busy = (changes: Partial<CaptureOptions>) =>
      capture({ onLine: (line) => void lines.push(line), ...changes });
    await expect(busy({ opsPerSecondMax: 1 })).rejects.toMatchObject({
      code: "cannot-measure",
      message: expect.stringMatching(/runs \d+ commands\/s.*less than 10/s),
      hint: expect.stringContaining("perfopt/tracer"),
    });
    await expect(busy({ opsPerSecondMax: 100, dutyShare: 1 })).rejects.toMatchObject({
      code: "cannot-measure",
      hint: expect.stringMatching(/listen \d+.*% of the time at most/),
    });
    await load.stop();
    expect(lines).toEqual([]);
  });

  test("above the rate, without being told, it listens for as long as costs the same", async () => {
    const load = traffic();
    const { result } = await capture({
      durationMs: 700,
      windowMs: 150,
      opsPerSecondMax: 200,
      limits: { ...UNHURRIED, rateRatio: 1e3 },
    });
    await load.stop();
    expect(result.dutyShare).toBeGreaterThan(0.1);
    expect(result.dutyShare).toBeLessThan(1);
    expect(result.dutyShare).toBeCloseTo(200 / Math.max(200, result.before.opsPerSecond), 0);
  });

  test("stops when the server holds lines that are not read", async () => {
    // One script: its lines pile up in the server until it ends, and the question that it delays is answered right after it.
    const script = "for i = 1, 400000 do redis.call('set', 'k' .. i % 10, 'v') end";
    setTimeout(() => void server.client.eval(script, 0).catch(() => {}), 500);
    const { result } = await capture({
      durationMs: 20_000,
      rowsMax: 10_000_000,
      onLine: () => {},
      limits: { ...UNHURRIED, outputBytes: 1024 ** 2, rateRatio: 1e6 },
    });
    expect(result.stoppedBecause).toBe("output-buffer");
    expect(result.detail).toMatch(/held \d+\.\d MB/);
    expect(result.heldBytesMax).toBeGreaterThan(1024 ** 2);
    expect(result.windows[0]?.toMs).toBeLessThan(19_000);
  }, 30_000);

  test("stops when the server answers late", async () => {
    const load = traffic();
    const slowing = setInterval(
      () => void server.client.eval("for i = 1, 3000000 do local x = i * i end", 0).catch(() => {}),
      60,
    );
    try {
      const { result } = await capture({
        durationMs: 15_000,
        baselineMs: 30,
        limits: { medianRatio: 0, medianMs: 0, slowestRatio: 0, slowestMs: 0, lateLooks: 2 },
      });
      expect(result.stoppedBecause).toBe("latency");
      expect(result.detail).toMatch(/answer to PING took .* ms before MONITOR/);
    } finally {
      clearInterval(slowing);
      await load.stop();
    }
  }, 30_000);

  test("a server that goes away ends it, and what was captured is there", async () => {
    const other = await startTestRedis();
    const { client, url } = other.server;
    const using = setInterval(() => void client.set("key", "value").catch(() => {}), 20);
    const capturing = capture({ durationMs: 30_000 }, url);
    setTimeout(() => void other.stop(), 1_500);
    const { result } = await capturing;
    clearInterval(using);
    expect(result.stoppedBecause).toBe("disconnected");
    expect(result.lines).toBeGreaterThan(0);
    expect(result.windows[0]?.toMs).toBeLessThan(25_000);
  });

  test("an interrupt ends it, and leaves no connection behind", async () => {
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 500);
    await expect(capture({ durationMs: 60_000, signal: controller.signal })).rejects.toMatchObject({
      code: "interrupted",
    });
    await expect.poll(monitors, { timeout: 5_000 }).toEqual([]);
  });

  test("what the user may not do is an error with the rule that helps; with the rules it works", async () => {
    const url = new URL(server.url);
    url.username = "reader";
    url.password = "open";
    const { client } = server;
    const rules = `on >open resetkeys %R~* -@all ${CAPTURE_RULES}`.split(" ");
    await client.call("ACL", "SETUSER", "reader", "reset", ...rules);
    expect((await capture({}, url.href)).result.stoppedBecause).toBe("duration");
    await client.call("ACL", "SETUSER", "reader", "-monitor");
    await expect(capture({}, url.href)).rejects.toMatchObject({
      code: "cannot-measure",
      message: expect.stringMatching(/redis:\/\/\*\*\*@.*NOPERM.*monitor/s),
      hint: expect.stringContaining("+monitor"),
    });
    // Without CLIENT the growth of all clients' memory stands for this one's.
    await client.call("ACL", "SETUSER", "reader", "+monitor", "-client|list", "-client|id");
    const { result } = await capture({}, url.href);
    expect(result.stoppedBecause).toBe("duration");
    expect(result.heldBytesMax).toBeUndefined();
    url.password = "wrong";
    await expect(capture({}, url.href)).rejects.toMatchObject({
      code: "cannot-measure",
      hint: expect.stringContaining("USER:PASSWORD"),
    });
  });

  test("a server that is not there, and what is no server, are errors without secrets", async () => {
    await expect(capture({}, "redis://:secret@127.0.0.1:1")).rejects.toMatchObject({
      code: "cannot-measure",
      message: expect.not.stringContaining("secret"),
    });
    await expect(capture({}, "http://me:secret@127.0.0.1:1")).rejects.toMatchObject({
      message: expect.not.stringContaining("secret"),
    });
  });
}, 60_000);

const reading = (changes: Partial<ServerReading> = {}): ServerReading => ({
  atMs: 0,
  commands: 0,
  cpuSeconds: 0,
  evicted: 0,
  opsPerSecond: 0,
  clientsBytes: 100_000,
  clientBytes: 40_000,
  ...changes,
});

describe("why a capture stops", () => {
  const before: Baseline = {
    from: reading({ atMs: -2_000 }),
    to: reading(),
    answers: { medianMs: 0.5, slowestMs: 4 },
    opsPerSecond: 5_000,
  };
  const now = (to: Partial<ServerReading>, answers = before.answers): Present => ({
    stretch: { from: reading(), to: reading({ atMs: 1_000, commands: 5_000, ...to }) },
    answers,
  });
  const why = (present: Present, from = before) =>
    whyStop(from, present, 20_000, MONITOR_LIMITS)?.because;

  test.each<[string, Present, string | undefined]>([
    ["nothing happened", now({}), undefined],
    [
      "answers three times as slow, but still fast",
      now({}, { medianMs: 2, slowestMs: 4 }),
      undefined,
    ],
    [
      "the median answer slow by ratio and time",
      now({}, { medianMs: 2.6, slowestMs: 4 }),
      "latency",
    ],
    ["one answer late", now({}, { medianMs: 0.5, slowestMs: 50 }), undefined],
    ["one answer very late", now({}, { medianMs: 0.5, slowestMs: 55 }), "latency"],
    ["lines pile up", now({ clientBytes: 17 * 1024 ** 2 }), "output-buffer"],
    [
      "lines pile up, seen by all clients' memory",
      now({ clientBytes: undefined, clientsBytes: 18 * 1024 ** 2 }),
      "output-buffer",
    ],
    ["the cache is full now", now({ evicted: 10 }), undefined],
    ["evictions with lines held", now({ evicted: 10, clientBytes: 300 * 1024 }), "evictions"],
    ["the load doubles above what is allowed", now({ commands: 40_000 }), "rate"],
  ])("%s", (_, present, expected) => {
    expect(why(present)).toBe(expected);
  });

  test("a cache that was evicting goes on evicting", () => {
    const evicting = { ...before, to: reading({ evicted: 5 }) };
    expect(why(now({ evicted: 10, clientBytes: 300 * 1024 }), evicting)).toBeUndefined();
  });
});

function split(chunks: readonly string[], lineBytesMax = 100) {
  const lines: string[] = [];
  const splitter = createLines((line) => void lines.push(line), lineBytesMax);
  for (const chunk of chunks) splitter.add(Buffer.from(chunk));
  return { lines, tooLong: splitter.tooLong() };
}

describe("lines", () => {
  test("wherever chunks end", () => {
    const text = "+one\r\n+two\r\n+three\r\n";
    for (let at = 0; at <= text.length; at += 1) {
      expect(split([text.slice(0, at), text.slice(at)]).lines).toEqual(["+one", "+two", "+three"]);
    }
    expect(split(text.split("")).lines).toEqual(["+one", "+two", "+three"]);
  });

  test("one that is too long is counted, and the next one is whole", () => {
    const long = `+${"x".repeat(30)}`;
    expect(split([long, long, long, long, "\r\n+next\r\n+unfinished"])).toEqual({
      lines: ["+next"],
      tooLong: 1,
    });
  });
});
