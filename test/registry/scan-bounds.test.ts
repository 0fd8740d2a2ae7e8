// What an artifact could hide from the scan, or do to it: everything that is not looked at is said to be unscanned.

import { deflateRawSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { diffContents } from "../../src/registry/compute/diff.ts";
import { scanContent } from "../../src/registry/compute/scan.ts";
import { zip } from "./zip-archive.ts";

const MB = 1024 * 1024;
const bytes = (text: string): Buffer => Buffer.from(text, "latin1");
const EVIL = bytes("cos\nsystem\n(S'id'\ntR.");
const stored = (name: string, packed: Buffer) => ({ name, method: 0, packed, size: packed.length });
const deflated = (name: string, content: Buffer) => ({
  name,
  method: 8,
  packed: deflateRawSync(content),
  size: content.length,
});
const told = (content: Buffer): string[] =>
  scanContent(content).map(({ rule, detail }) => `${rule} ${detail}`);

describe("an archive", () => {
  test("what inflates beyond the budget is unscanned, and so is what comes after it", () => {
    const bomb = deflated("bomb", Buffer.alloc(70 * MB));
    expect(told(zip([stored("a", EVIL), bomb, stored("b", EVIL)]))).toEqual([
      "pickle-import a: os.system",
      "unscanned bomb: only 67108864 bytes of all entries are looked at",
      "unscanned b: only 67108864 bytes of all entries are looked at",
    ]);
  });

  test("an entry that fails is charged as what it could have come to", () => {
    const broken = { ...stored("broken", Buffer.alloc(100_000, 0xff)), method: 8 };
    expect(told(zip([broken, stored("a", EVIL)]))).toEqual([
      "unscanned broken: it is damaged",
      "unscanned a: only 67108864 bytes of all entries are looked at",
    ]);
  });

  test("thousands of entries of the same bytes are refused but for the first", () => {
    const first = stored("first", Buffer.alloc(4 * MB, 0x4e));
    const again = { ...stored("again", Buffer.alloc(0)), size: first.size, at: 0 };
    const archive = zip([first, ...Array.from({ length: 2_000 }, () => again)]);
    // Their lengths in the directory are the first one's too.
    for (
      let at = archive.indexOf("PK\x01\x02");
      at >= 0;
      at = archive.indexOf("PK\x01\x02", at + 1)
    )
      archive.writeUInt32LE(first.size, at + 20);
    const findings = told(archive);
    expect(findings).toHaveLength(100);
    expect(new Set(findings)).toEqual(new Set(["unscanned again: it overlaps another entry"]));
  });

  test.each([
    ["that is encrypted", { ...stored("a", EVIL), encrypted: true }, "it is encrypted"],
    ["in another compression", { ...stored("a", EVIL), method: 12 }, "its compression (12)"],
    ["that is elsewhere", { ...stored("a", EVIL), at: 7 }, "it is not where it should be"],
  ])("an entry %s is unscanned", (_what, entry, detail) => {
    const [finding, ...others] = told(zip([stored("ok", bytes("N.")), entry]));
    expect([finding, others]).toEqual([expect.stringContaining(`unscanned a: ${detail}`), []]);
  });

  test("a directory that says two things, or is none, is unscanned", () => {
    const hidden = zip([stored("ok", bytes("N.")), stored("a", EVIL)]);
    hidden.writeUInt16LE(1, hidden.length - 12);
    expect(told(hidden)).toEqual([
      "unscanned archive: its directory contradicts itself",
      "pickle-import a: os.system",
    ]);
    const headless = zip([stored("a", EVIL)]).subarray(0, -5);
    expect(told(headless)).toEqual(["unscanned archive: there is no directory"]);
  });

  test("names have no control characters when they are told", () => {
    const [finding] = scanContent(zip([stored("a\x00\x1b[2J\nb.pkl", EVIL)]));
    expect(finding?.detail).toBe("a\\u{0}\\u{1b}[2J\\u{a}b.pkl: os.system");
  });
});

describe("a pickle", () => {
  test.each([
    ["UNICODE with an escape", "V\\u006fs\nVsystem\n\x93."],
    ["STRING with an escape", "S'\\x6fs'\nS'system'\n\x93."],
    ["STRING without quotes", "Sos\nS'system'\n\x93."],
  ])("by %s hides its import, which is dangerous", (_how, pickle) => {
    expect(told(bytes(pickle))).toEqual([expect.stringContaining("pickle-import unknown.")]);
  });

  test("behind another has a memo of its own", () => {
    // The first puts two harmless names where the second keeps its own.
    const first = "\x80\x04\x8c\x05numpy\x94\x8c\x05dtype\x94.";
    const second = "\x80\x04\x8c\x02os\x94\x8c\x06system\x940h\x00h\x01\x93.";
    expect(told(bytes(first + second))).toEqual(["pickle-import os.system"]);
  });

  test("may begin a frame between a name and its use", () => {
    const frame = "\x95\x01\x00\x00\x00\x00\x00\x00\x00";
    const pickle = `\x80\x04\x8c\x05numpy${frame}\x8c\x05dtype${frame}\x93.`;
    expect(told(bytes(pickle))).toEqual([]);
  });

  test("of nothing but memo entries is unscanned from a million on", () => {
    const bomb = Buffer.concat([bytes("\x80\x04N"), Buffer.alloc(8 * MB - 3, 0x94)]);
    expect(told(bomb)).toEqual(["unscanned only 1000000 memo entries of a pickle are looked at"]);
  });

  test.each(["io", "_io", "codecs", "pathlib", "cPickle"])("may not import %s", (module) => {
    expect(told(bytes(`c${module}\nopen\n.`))).toEqual([`pickle-import ${module}.open`]);
  });

  test("is found behind a hundred false tokens", () => {
    const tokens = bytes(`AKIAIOSFODNN7EXAMPLE\n`.repeat(150));
    const findings = told(zip([stored("tokens", tokens), stored("a", EVIL)]));
    expect(findings).toHaveLength(101);
    expect(findings[0]).toBe("pickle-import a: os.system");
  });
});

describe("a diff", () => {
  test("of millions of short lines counts them, and gives no patch", () => {
    const before = Buffer.alloc(8 * MB, "a\n");
    const after = Buffer.alloc(8 * MB, "b\n");
    expect(diffContents(before, after)).toEqual({
      binary: false,
      removed: 4 * MB,
      added: 4 * MB,
      patch: "--- before\n+++ after\n",
      cut: true,
    });
  });

  test("of one change among millions of lines is found where it is", () => {
    const before = Buffer.alloc(8 * MB, "a\n");
    const after = Buffer.from(before);
    after[4 * MB] = 0x62;
    expect(diffContents(before, after)).toEqual({
      binary: false,
      removed: 1,
      added: 1,
      patch: `--- before\n+++ after\n@@ -${2 * MB - 2},7 +${2 * MB - 2},7 @@\n a\n a\n a\n-a\n+b\n a\n a\n a\n`,
      cut: false,
    });
  });

  test("stops before a hunk of more than 64 kB", () => {
    const long = bytes("x".repeat(2 * MB));
    const diff = diffContents(bytes("a\n"), Buffer.concat([bytes("a\n"), long]));
    expect(diff).toMatchObject({
      added: 1,
      removed: 0,
      patch: "--- before\n+++ after\n",
      cut: true,
    });
  });
});
