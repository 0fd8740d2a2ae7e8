import { performance } from "node:perf_hooks";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Pool } from "undici";
import { expect, test } from "vitest";
import { openFlights } from "../../src/load/flights.ts";
import type { Answer, Departure } from "../../src/load/flights.ts";
import type { Ending, Flight } from "../../src/load/recorder.ts";
import { serve } from "./servers.ts";

async function withFlights(
  baseUrl: string,
  use: (
    send: (path: string, departure?: Partial<Departure>) => Promise<[Ending, Answer]>,
    finished: readonly Ending[],
  ) => Promise<void>,
  timeoutMs = 2_000,
): Promise<void> {
  const pool = new Pool(baseUrl, { connections: 2 });
  const finished: Ending[] = [];
  const recorder = {
    launch: () => undefined,
    finish: (_flight: Flight, ending: Ending) => void finished.push(ending),
  };
  const flights = openFlights(pool, recorder, timeoutMs);
  try {
    await use(
      (path, departure) =>
        new Promise((resolve) => {
          flights.send(
            { method: "GET", path, headers: {}, body: null },
            {
              endpoint: 0,
              measured: true,
              dueAt: performance.now(),
              trace: undefined,
              ...departure,
              onEnd: (ending, answer) => resolve([ending, answer]),
            },
          );
          void flights.drain();
        }),
      finished,
    );
  } finally {
    await pool.destroy();
  }
}

test("who sends gets status and headers back, and the body when asked for", async () => {
  const server = await serve((_request, response) => {
    response.writeHead(201, { "X-Run": "r-1", "set-cookie": ["a=1", "b=2"] });
    response.write("grüß");
    // In a second chunk, with a character that is cut in two.
    setTimeout(() => response.end(Buffer.from("e ✓").subarray(0, 5)), 5);
  });
  await withFlights(server.url, async (send, finished) => {
    const [ending, plain] = await send("/");
    expect(ending).toBe("answered");
    expect(plain).toMatchObject({ status: 201, body: undefined });
    expect(plain.headers).toMatchObject({ "x-run": "r-1", "set-cookie": ["a=1", "b=2"] });
    expect(finished).toEqual(["answered"]);
    const [, kept] = await send("/", { keepBody: true });
    expect(kept.body).toBe("grüße ✓");
  });
  await server.closed();
});

test("what is not answered ends as well, once, and after it was recorded", async () => {
  const server = await serve((request, response) => {
    if (request.url === "/break") response.destroy();
  });
  await withFlights(
    server.url,
    async (send, finished) => {
      expect(await send("/break")).toMatchObject(["broken-off", { status: 0 }]);
      expect(await send("/silent")).toMatchObject(["timeout", { status: 0 }]);
      expect(finished).toEqual(["broken-off", "timeout"]);
    },
    100,
  );
  server.kill();
});

test("a loop over requests that cannot be sent does not grow the stack", async () => {
  const pool = new Pool("http://127.0.0.1:1");
  await pool.destroy();
  let rounds = 0;
  const recorder = { launch: () => undefined, finish: () => undefined };
  const flights = openFlights(pool, recorder, 1_000);
  await new Promise<void>((resolve) => {
    const again = (): void => {
      rounds += 1;
      if (rounds === 5_000) {
        resolve();
        return;
      }
      flights.send(
        { method: "GET", path: "/", headers: {}, body: null },
        { endpoint: 0, measured: true, dueAt: 0, trace: undefined, onEnd: again },
      );
    };
    again();
  });
  expect(rounds).toBe(5_000);
});

test("nothing is kept of a flight that has ended: the collector's pauses would make later ones late", async () => {
  const server = await serve((_request, response) => response.end("ok"));
  const pool = new Pool(server.url, { connections: 4 });
  const recorder = { launch: () => undefined, finish: () => undefined };
  const flights = openFlights(pool, recorder, 5_000);
  const traces: WeakRef<object>[] = [];
  for (let index = 0; index < 200; index += 1) {
    const trace = { atMs: index, endpoint: "get", method: "GET", key: index, responseBytes: 0 };
    traces.push(new WeakRef(trace));
    flights.send(
      { method: "GET", path: "/", headers: {}, body: null },
      { endpoint: 0, measured: true, dueAt: 0, trace },
    );
  }
  await flights.drain();
  setFlagsFromString("--expose-gc");
  runInNewContext("gc")();
  // One connection may still know its last request.
  expect(traces.filter((each) => each.deref() !== undefined).length).toBeLessThanOrEqual(8);
  await pool.destroy();
  await server.closed();
});
