// The pool of CPU threads, and what its tasks find: digests, signatures, dangerous pickles, secrets, differences.

import { createHash, generateKeyPairSync, randomBytes, sign } from "node:crypto";
import { deflateRawSync } from "node:zlib";
import { afterEach, describe, expect, test } from "vitest";
import type { Compute } from "../../src/registry/compute/compute.ts";
import { diffContents } from "../../src/registry/compute/diff.ts";
import { openCompute } from "../../src/registry/compute/pool.ts";
import { scanContent } from "../../src/registry/compute/scan.ts";
import { TooBusyError } from "../../src/registry/errors.ts";
import * as fc from "../properties.ts";
import { zip } from "./zip-archive.ts";

const CONFIG = {
  threadsMax: 2,
  threadsMin: 0,
  threadIdleTimeoutMs: 60_000,
  taskQueueLimit: 100,
  taskTimeoutMs: 30_000,
  contentBytesMax: 64 * 1024 * 1024,
};
const { privateKey, publicKey } = generateKeyPairSync("ed25519");
const PEM = String(publicKey.export({ format: "pem", type: "spki" }));
const opened: Compute[] = [];

function open(config: Partial<typeof CONFIG> = {}): Compute {
  const compute = openCompute({ ...CONFIG, ...config });
  opened.push(compute);
  return compute;
}

afterEach(async () => {
  for (const compute of opened.splice(0)) await compute.close();
});

describe("the pool", () => {
  test("digests and signatures are right, wherever they are made", async () => {
    const compute = open();
    const sizes = [0, 1, 64 * 1024, 64 * 1024 + 1, 300_000];
    for (const content of sizes.map((size) => randomBytes(size))) {
      const sha256 = createHash("sha256").update(content).digest("hex");
      const signature = sign(null, content, privateKey);
      expect(await compute.digest(content)).toBe(sha256);
      expect(await compute.verify(content, signature, PEM)).toBe(true);
      expect(await compute.check(content, signature, PEM)).toEqual({
        sha256,
        signatureValid: true,
      });
      const other = Buffer.concat([content, Buffer.from("x")]);
      expect(await compute.verify(other, signature, PEM)).toBe(false);
    }
    // A part of a larger buffer is that part alone.
    const part = randomBytes(200_000).subarray(1_000, 101_000);
    expect(await compute.digest(part)).toBe(createHash("sha256").update(part).digest("hex"));
  });

  test("a key of another kind, or none, verifies nothing", async () => {
    const compute = open();
    const rsa = generateKeyPairSync("rsa", { modulusLength: 1024 });
    const content = randomBytes(10);
    const signature = sign(null, content, rsa.privateKey);
    const pem = rsa.publicKey.export({ format: "pem", type: "spki" });
    expect(await compute.verify(content, signature, String(pem))).toBe(false);
    expect(await compute.verify(content, sign(null, content, privateKey), "no key")).toBe(false);
    expect(await compute.verify(content, new Uint8Array(3), PEM)).toBe(false);
  });

  test("what is more than the queue may hold is refused, and the rest is done", async () => {
    const compute = open({ threadsMax: 1, taskQueueLimit: 3 });
    const content = randomBytes(200_000);
    const results = await Promise.allSettled(
      Array.from({ length: 10 }, () => compute.digest(content)),
    );
    const refused = results.filter((result) => result.status === "rejected");
    expect(refused).toHaveLength(6);
    for (const { reason } of refused) {
      expect(reason).toBeInstanceOf(TooBusyError);
      expect(reason).toMatchObject({ status: 503, retryAfterSeconds: 1 });
    }
    expect(await compute.digest(content)).toMatch(/^[0-9a-f]{64}$/);
  });

  test("threads come with work, and go after the idle time down to the least", async () => {
    const compute = open({ threadsMax: 3, threadsMin: 1, threadIdleTimeoutMs: 50 });
    const content = randomBytes(4_000_000);
    await Promise.all(Array.from({ length: 30 }, () => compute.digest(content)));
    await expect.poll(() => compute.state().threadsAlive, { timeout: 30_000 }).toBe(1);
    expect(await compute.digest(content)).toMatch(/^[0-9a-f]{64}$/);
  });

  test("busy time never exceeds the time that threads were there, and neither ever falls", async () => {
    const compute = open({ threadsMax: 2, threadIdleTimeoutMs: 1 });
    const content = randomBytes(2_000_000);
    let last = compute.state();
    expect(last).toMatchObject({ busySeconds: 0, tasks: 0, tasksWaiting: 0 });
    for (let round = 0; round < 3; round += 1) {
      await Promise.all(Array.from({ length: 6 }, () => compute.scan(content)));
      const now = compute.state();
      expect(now.tasks).toBe(last.tasks + 6);
      expect(now.busySeconds).toBeGreaterThan(last.busySeconds);
      expect(now.waitSeconds).toBeGreaterThan(last.waitSeconds);
      expect(now.aliveSeconds).toBeGreaterThanOrEqual(last.aliveSeconds);
      expect(now.busySeconds).toBeLessThanOrEqual(now.aliveSeconds);
      last = now;
    }
  });

  // A thousand opcodes for each byte of the archive: seconds of work.
  const long = zip([
    {
      name: "a",
      method: 8,
      packed: deflateRawSync(Buffer.alloc(60_000_000, 0x4e)),
      size: 60_000_000,
    },
  ]);

  test("a task that runs too long is ended, one that waited too long is refused, and the next is done", async () => {
    const compute = open({ threadsMax: 1, taskTimeoutMs: 500 });
    const results = await Promise.allSettled([
      compute.scan(long),
      compute.scan(long),
      compute.scan(long),
    ]);
    const reasons = results.map((result) => (result.status === "rejected" ? result.reason : ""));
    expect(reasons[0]).toMatchObject({ code: "DEADLINE_EXCEEDED", status: 504 });
    for (const reason of reasons.slice(1)) expect(reason).toMatchObject({ name: "RegistryError" });
    expect(reasons.at(-1)).toBeInstanceOf(TooBusyError);
    const patient = open({ threadsMax: 1 });
    const gone = new AbortController();
    const underWay = patient.scan(long, gone.signal);
    const next = patient.scan(Buffer.from("cos\nsystem\n."));
    const waiting = patient.scan(long, gone.signal);
    gone.abort(new Error("gone"));
    await expect(underWay).rejects.toThrow("gone");
    await expect(waiting).rejects.toThrow("gone");
    // With no thread kept, somebody has to start another for who waits.
    expect(await next).toMatchObject([{ detail: "os.system" }]);
    expect(patient.state()).toMatchObject({ tasksWaiting: 0, tasks: 3 });
  });

  test("those that wait come to their turn in the order in which they asked", async () => {
    const compute = open({ threadsMax: 1 });
    const order: number[] = [];
    await Promise.all(
      Array.from({ length: 8 }, async (_, index) => {
        await compute.scan(new Uint8Array(index));
        order.push(index);
      }),
    );
    expect(order).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  });

  test("room for content is given until there is none, and again once some is given back", () => {
    const compute = open({ contentBytesMax: 100 });
    const release = compute.reserve(60);
    expect(() => compute.reserve(41)).toThrow(TooBusyError);
    compute.reserve(40);
    release();
    release();
    compute.reserve(60);
    expect(() => compute.reserve(1)).toThrow(TooBusyError);
  });

  test("a closed pool takes nothing more, and what it was at rejects", async () => {
    const compute = open({ threadsMax: 1 });
    const underWay = Promise.allSettled([1, 2, 3].map(() => compute.digest(randomBytes(100_000))));
    await compute.close();
    for (const { status } of await underWay) expect(status).toBe("rejected");
    await expect(compute.scan(new Uint8Array())).rejects.toMatchObject({ status: 503 });
    expect(compute.state().threadsAlive).toBe(0);
  });
});

/** Python's pickle.dumps of an object whose __reduce__ is os.system("id"), by protocol; nt and posix are what os really is. */
const EVIL = [
  ["0", "cposix\nsystem\np0\n(Vid\np1\ntp2\nRp3\n.", "posix.system"],
  ["2", "\x80\x02cposix\nsystem\nq\x00X\x02\x00\x00\x00idq\x01\x85q\x02Rq\x03.", "posix.system"],
  [
    "4",
    "\x80\x04\x95\x1d\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94\x8c\x06system\x94\x93\x94\x8c\x02id\x94\x85\x94R\x94.",
    "posix.system",
  ],
] as const;
const bytes = (text: string): Buffer => Buffer.from(text, "latin1");

describe("the scan", () => {
  test.each(EVIL)("finds the command in a pickle of protocol %s", (_protocol, pickle, detail) => {
    expect(scanContent(bytes(pickle))).toMatchObject([{ rule: "pickle-import", detail }]);
    // Behind a harmless one, and with something broken after it.
    const second = Buffer.concat([bytes("\x80\x02}."), bytes(pickle), bytes("\xff\xff")]);
    expect(scanContent(second)).toMatchObject([{ detail }]);
  });

  test.each([
    ["through the memo", "\x80\x04\x8c\x02os\x94\x8c\x06system\x940h\x00h\x01\x93.", "os.system"],
    ["as an instance", "(S'id'\nios\nsystem\n.", "os.system"],
    [
      "by a name that is made up on the way",
      "\x80\x04\x8c\x02os\x8c\x03sys\x8c\x03temR\x93.",
      "unknown",
    ],
    ["of an attribute", "\x80\x04\x8c\x08builtins\x8c\x0deval.__call__\x93.", "builtins.eval"],
    ["behind a long name", `\x80\x02cos\n${"path.os.".repeat(300)}system\n.`, "os.path"],
    ["as a built-in", "\x80\x04\x8c\x08builtins\x8c\x04eval\x93.", "builtins.eval"],
    ["of a submodule", "\x80\x02casyncio.unix_events\nx\n.", "asyncio.unix_events.x"],
  ])("finds an import %s", (_how, pickle, detail) => {
    expect(scanContent(bytes(pickle))[0]?.detail).toContain(detail);
  });

  test.each([
    ["a harmless pickle", "\x80\x04\x8c\x05numpy\x8c\x05dtype\x93\x8c\x02f4\x85R."],
    ["a text", "cost = 3\nos.system is only named here\n"],
    ["NumPy's own form", "\x93NUMPY\x01\x00v\x00{'descr': '<f8'}"],
    ["nothing", ""],
    [
      "weights whose first byte is an opcode by chance",
      `c\x00${"\xf0weights".repeat(500)}\nmore\n`,
    ],
    ["a length that lies", "\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7f"],
  ])("passes %s", (_what, content) => {
    expect(scanContent(bytes(content))).toEqual([]);
  });

  test("looks into archives, stored and deflated, and survives broken ones", () => {
    const evil = bytes(EVIL[1][1]);
    const archive = zip([
      { name: "weights.bin", method: 0, packed: bytes("\x00\x01\x02"), size: 3 },
      { name: "a/data.pkl", method: 0, packed: evil, size: evil.length },
      { name: "b/data.pkl", method: 8, packed: deflateRawSync(evil), size: evil.length },
    ]);
    expect(scanContent(archive).map(({ detail }) => detail)).toEqual([
      "a/data.pkl: posix.system",
      "b/data.pkl: posix.system",
    ]);
    fc.assert(
      fc.property(
        fc.nat(archive.length - 1),
        fc.nat(255),
        fc.nat(archive.length),
        (place, byte, cut) => {
          const broken = Buffer.from(archive.subarray(0, cut));
          if (place < broken.length) broken[place] = byte;
          expect(scanContent(broken).length).toBeLessThanOrEqual(200);
        },
      ),
    );
  });

  test("finds secrets where they are, and never tells them", () => {
    const token = `ghp_${"a1B2".repeat(9)}`;
    const text = `\xff\xfe binary\n-----BEGIN EC PRIVATE KEY-----\nMHc\n key = "${token}" AKIAIOSFODNN7EXAMPLE`;
    const findings = scanContent(bytes(text));
    expect(findings).toEqual([
      { rule: "private-key", offset: text.indexOf("-----"), detail: "private key" },
      { rule: "access-token", offset: text.indexOf(token), detail: "GitHub token" },
      { rule: "access-token", offset: text.indexOf("AKIA"), detail: "AWS access key" },
    ]);
    // A hundred of each rule, and those of pickles before them.
    const many = scanContent(bytes(`${"cos\nsystem\n".repeat(200)}${`${text}\n`.repeat(200)}`));
    expect(many.map(({ rule }) => rule)).toEqual([
      ...Array.from({ length: 100 }, () => "pickle-import"),
      ...Array.from({ length: 100 }, () => expect.stringMatching(/private-key|access-token/)),
      ...Array.from({ length: 100 }, () => expect.stringMatching(/private-key|access-token/)),
    ]);
  });

  test("ends on whatever it is given", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (content) => {
        for (const { offset } of scanContent(content)) expect(offset).toBeLessThan(content.length);
      }),
    );
  });
});

/** As patch(1) does it: every line of context and every removed line has to be there. */
function apply(before: string, patch: string): string {
  const lines = before.match(/[^\n]*\n|[^\n]+/g) ?? [];
  const result: string[] = [];
  let position = 0;
  const parts = patch.match(/[^\n]*\n/g)?.slice(2) ?? [];
  for (const [index, part] of parts.entries()) {
    const header = /^@@ -(\d+),(\d+) /.exec(part);
    if (header !== null) {
      const begin = Number(header[2]) === 0 ? Number(header[1]) : Number(header[1]) - 1;
      result.push(...lines.slice(position, begin));
      position = begin;
      continue;
    }
    if (part.startsWith("\\")) continue;
    const bare = parts[index + 1]?.startsWith("\\") === true;
    const line = bare ? part.slice(1, -1) : part.slice(1);
    if (!part.startsWith("+")) {
      expect(lines[position]).toBe(line);
      position += 1;
    }
    if (!part.startsWith("-")) result.push(line);
  }
  return [...result, ...lines.slice(position)].join("");
}

/** The length of a longest common subsequence, by the table that everybody knows. */
function commonLength(a: readonly string[], b: readonly string[]): number {
  let row = Array.from({ length: b.length + 1 }, () => 0);
  for (const line of a) {
    const next = [0];
    for (const [y, other] of b.entries())
      next.push(line === other ? (row[y] ?? 0) + 1 : Math.max(row[y + 1] ?? 0, next[y] ?? 0));
    row = next;
  }
  return row.at(-1) ?? 0;
}

describe("the diff", () => {
  const text = fc
    .tuple(fc.array(fc.constantFrom("a", "b", "c", "d", "é", ""), { maxLength: 40 }), fc.boolean())
    .map(([lines, end]) => lines.join("\n") + (end && lines.length > 0 ? "\n" : ""));

  test("turns the one into the other, with the fewest lines there are", () => {
    fc.assert(
      fc.property(text, text, (before, after) => {
        const diff = diffContents(Buffer.from(before), Buffer.from(after));
        expect(apply(before, diff.patch)).toBe(after);
        const [from, to] = [before, after].map((each) => each.match(/[^\n]*\n|[^\n]+/g) ?? []);
        const common = commonLength(from ?? [], to ?? []);
        expect([diff.removed, diff.added]).toEqual([
          (from?.length ?? 0) - common,
          (to?.length ?? 0) - common,
        ]);
        expect([diff.binary, diff.cut]).toEqual([false, false]);
      }),
      { numRuns: 500 },
    );
  });

  test("nothing is changed between equals, and what is no text is not compared", () => {
    expect(diffContents(bytes("a\n"), bytes("a\n"))).toEqual({
      binary: false,
      added: 0,
      removed: 0,
      patch: "",
      cut: false,
    });
    expect(diffContents(bytes("a\x00"), bytes("b"))).toMatchObject({ binary: true, patch: "" });
  });

  test("of texts with too many changes it is right still, and the patch is cut", () => {
    const lines = (what: string): Buffer =>
      bytes(
        `same\n${Array.from({ length: 5_000 }, (_, line) => `${what} ${line}\n`).join("")}same\n`,
      );
    expect(diffContents(lines("before"), lines("after"))).toMatchObject({
      added: 5_000,
      removed: 5_000,
      cut: true,
    });
    const halves = Array.from({ length: 4_000 }, (_, line) => `${line}\n`);
    const every4th = halves.map((line, index) => (index % 4 === 0 ? `new ${line}` : line));
    const diff = diffContents(bytes(halves.join("")), bytes(every4th.join("")));
    expect(diff).toMatchObject({ added: 1_000, removed: 1_000 });
  });
});
