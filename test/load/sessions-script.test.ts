import * as fc from "../properties.ts";
import { describe, expect, test } from "vitest";
import type { Parameter, ThinkTime } from "../../src/core/workload.ts";
import { uniformFrom } from "../../src/load/draw.ts";
import type { GeneratedRequest } from "../../src/load/requests.ts";
import { drawThink, scripts, type Script } from "../../src/load/sessions-script.ts";
import { template, uniqueId } from "./servers.ts";
import { sessionsOf, step, user } from "./stage.ts";

const reading: Parameter = {
  name: "reading",
  source: { kind: "int", min: 1, max: 1_000_000_000 },
  distribution: { kind: "uniform" },
};

describe("what a session asks for", () => {
  const workload = sessionsOf(
    [
      {
        name: "shop",
        weight: 3,
        steps: [
          step({ name: "login", method: "POST", path: "/login/${user.id}", body: "${id}" }),
          step(
            {
              name: "buy",
              method: "POST",
              path: "/buy/${user.name}/${reading}/${id}",
              body: { $repeat: 4, item: "${user.id}" },
            },
            { repeat: 4, think: { kind: "exponential", meanMs: 20 } },
          ),
        ],
      },
      { name: "glance", weight: 1, steps: [step({ name: "glance", path: "/glance/${user.id}" })] },
    ],
    [user, reading, uniqueId],
  );
  const anything = { status: 200, headers: {}, body: "{}" };

  function playAll({ turns }: Script): { thinkMs: number; request: GeneratedRequest }[] {
    const played = [];
    for (let next = turns.next(); next.done !== true; next = turns.next()) {
      played.push({ thinkMs: next.value.thinkMs, request: next.value.fill() });
      next.value.accept(anything);
    }
    return played;
  }

  test("is the same for a seed and a number, in whatever order sessions go on or end", () => {
    fc.assert(
      fc.property(
        fc.integer(),
        fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 60 }),
        (seed, order) => {
          const alone = Array.from({ length: 10 }, (_, number) =>
            playAll(scripts(workload, {}, seed)(number)),
          );
          const open = scripts(workload, {}, seed);
          const started = new Map<number, { script: Script; played: unknown[] }>();
          for (const number of order) {
            const own = started.get(number) ?? { script: open(number), played: [] };
            started.set(number, own);
            const next = own.script.turns.next();
            if (next.done === true) continue;
            own.played.push({ thinkMs: next.value.thinkMs, request: next.value.fill() });
          }
          for (const [number, { played }] of started) {
            expect(played).toEqual(alone[number]?.slice(0, played.length));
          }
        },
      ),
      { numRuns: 50 },
    );
  });

  test("other seeds and other numbers ask for something else, and for other unique texts", () => {
    const texts = [1, 2].flatMap((seed) => {
      const open = scripts(workload, {}, seed);
      return Array.from({ length: 500 }, (_, number) => playAll(open(number)));
    });
    const logins = texts.flatMap((played) =>
      played.slice(0, 1).flatMap(({ request }) => request.body ?? []),
    );
    expect(logins.length).toBeGreaterThan(600);
    expect(new Set(logins).size).toBe(logins.length);
    expect(new Set(texts.map((played) => JSON.stringify(played))).size).toBeGreaterThan(900);
  });

  test("what several steps name is drawn once, what one step names anew each time, items of a $repeat too", () => {
    const open = scripts(workload, {}, 5);
    const shops = Array.from({ length: 40 }, (_, number) => playAll(open(number))).filter(
      (played) => played.length > 1,
    );
    for (const [login, ...buys] of shops) {
      const id = login?.request.path.split("/")[2];
      const unique: unknown = JSON.parse(login?.request.body ?? "");
      expect(buys).toHaveLength(4);
      for (const { request } of buys) {
        expect(request.path).toMatch(new RegExp(`^/buy/user-${id}/\\d+/${String(unique)}$`));
      }
      expect(new Set(buys.map(({ request }) => request.path)).size).toBe(4);
      const items = buys.flatMap(({ request }): unknown[] => JSON.parse(request.body ?? ""));
      expect(new Set(items).size).toBeGreaterThan(8);
    }
  });

  test("sessions come by their weights, and requests of a mix are sessions of one", () => {
    const open = scripts(workload, {}, 3);
    const lengths = Array.from({ length: 4_000 }, (_, number) => playAll(open(number)).length);
    expect(lengths.filter((length) => length === 5).length / 4_000).toBeCloseTo(0.75, 1);
    expect(lengths.filter((length) => length === 1).length / 4_000).toBeCloseTo(0.25, 1);
    const mix = { name: "mix", parameters: [], requests: [template(), template({ path: "/b" })] };
    const paths = Array.from({ length: 50 }, (_, number) =>
      playAll(scripts(mix, {}, 1)(number)).map(({ request }) => [request.path, request.endpoint]),
    );
    expect(new Set(paths.flatMap((each) => each.map(String)))).toEqual(new Set(["/,0", "/b,1"]));
    expect(paths.every((each) => each.length === 1)).toBe(true);
  });
});

test.each<[ThinkTime, number, number, number]>([
  [{ kind: "fixed", ms: 70 }, 70, 70, 70],
  [{ kind: "uniform", minMs: 20, maxMs: 60 }, 40, 20, 60],
  [{ kind: "exponential", meanMs: 50 }, 50, 0, Infinity],
])("%o has its mean and its bounds", (think, mean, least, most) => {
  const draw = uniformFrom(9);
  const drawn = Array.from({ length: 20_000 }, () => drawThink(think, draw));
  expect(drawn.every((ms) => ms >= least && ms <= most)).toBe(true);
  // Five standard errors of an exponential's mean, the widest of the three.
  expect(Math.abs(drawn.reduce((sum, ms) => sum + ms, 0) / drawn.length - mean)).toBeLessThan(2);
});
