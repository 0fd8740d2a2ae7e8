// Lines and records from pieces of any size, with the numbers of their lines.

import { expect, test } from "vitest";
import { createCsvReader } from "../../../src/registry/bulk/csv.ts";
import { createLineCutter } from "../../../src/registry/bulk/lines.ts";
import { createNdjsonReader } from "../../../src/registry/bulk/records.ts";
import type { RecordReader } from "../../../src/registry/bulk/records.ts";
import * as fc from "../../properties.ts";

type Seen = readonly [line: number, what: unknown];

async function read(reader: RecordReader, bytes: Buffer, pieceBytes: number): Promise<Seen[]> {
  const cutter = createLineCutter();
  const seen: Seen[] = [];
  const take = (fields: unknown, line: number, reason: string): void => {
    seen.push([line, fields ?? reason]);
  };
  for (let at = 0; at < bytes.length; at += pieceBytes)
    await reader.push(cutter.push(bytes.subarray(at, at + pieceBytes)), take);
  await reader.push(cutter.end(), take);
  await reader.end(take);
  return seen;
}

const csv = (text: string, pieceBytes = 1_000): Promise<Seen[]> =>
  read(createCsvReader(["a"], ["b"]), Buffer.from(text), pieceBytes);

test("lines are the same however the bytes arrive", () => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ unit: "grapheme", maxLength: 12 }), { maxLength: 12 }),
      fc.integer({ min: 1, max: 9 }),
      (texts, pieceBytes) => {
        const lines = texts.map((text) => text.replaceAll("\n", " "));
        const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(""));
        const cutter = createLineCutter();
        const cut: unknown[] = [];
        for (let at = 0; at < bytes.length; at += pieceBytes)
          cut.push(...cutter.push(bytes.subarray(at, at + pieceBytes)));
        expect([...cut, ...cutter.end()]).toEqual(
          lines.map((line, index) => (index === 0 ? line.replace(/^\uFEFF/, "") : line)),
        );
      },
    ),
  );
});

test("a line without end is dropped as it is read, and the next one is read again", () => {
  const cutter = createLineCutter(10);
  const cut: unknown[] = [];
  for (let piece = 0; piece < 100; piece += 1) cut.push(...cutter.push(Buffer.alloc(1_000, "x")));
  cut.push(...cutter.push(Buffer.from("x\nshort\nfar too long a line\nend")), ...cutter.end());
  expect(cut).toEqual([undefined, "short", undefined, "end"]);
});

test("a line that comes byte by byte is whole", () => {
  const cutter = createLineCutter();
  const text = "0123456789".repeat(500);
  for (const byte of Buffer.from(text)) expect(cutter.push(Buffer.of(byte))).toEqual([]);
  expect(cutter.push(Buffer.from("\n"))).toEqual([text]);
});

test("NDJSON: blank lines are no records, and what is no object is bad by itself", async () => {
  const text = '{"a":1}\r\n\n  \nnonsense\n[1]\n{"a":2}';
  expect(await read(createNdjsonReader(), Buffer.from(text), 3)).toEqual([
    [1, { a: 1 }],
    [4, "it is not valid JSON"],
    [5, "it is no JSON object"],
    [6, { a: 2 }],
  ]);
});

test("CSV: quotes hold commas, quotes and ends of lines; a record has the number of its first line", async () => {
  const text = '\uFEFFb,a\r\n1,x\r\n"2,5","say ""hi""\nand go"\r\n\r\n3,z\n';
  for (const pieceBytes of [1, 7, 1_000]) {
    expect(await csv(text, pieceBytes)).toEqual([
      [2, { a: "x", b: "1" }],
      [3, { a: 'say "hi"\nand go', b: "2,5" }],
      [6, { a: "z", b: "3" }],
    ]);
  }
});

test("CSV: a stray quote costs its own line only", async () => {
  const seen = await csv('a,b\n1,x\n2",y\n3,z\n"4",w\n5,"v\n6,u\n');
  expect(seen.map(([line, what]) => [line, typeof what === "string" ? "bad" : what])).toEqual([
    [2, { a: "1", b: "x" }],
    [3, "bad"],
    [4, { a: "3", b: "z" }],
    [5, { a: "4", b: "w" }],
    [6, "bad"],
    [7, { a: "6", b: "u" }],
  ]);
});

test("CSV: too few columns are a bad line; a header that cannot be meant refuses all", async () => {
  expect(await csv("a,b\n1\n2,3\n")).toEqual([
    [2, "it has 1 columns, and the header 2"],
    [3, { a: "2", b: "3" }],
  ]);
  await expect(csv("a,c\n1,2\n")).rejects.toThrow('column "c"');
  await expect(csv("b\n1\n")).rejects.toThrow("no column a");
  await expect(csv("a,a\n1,2\n")).rejects.toThrow("twice");
});

function quote(text: string): string {
  return `"${text.replaceAll('"', '""')}"`;
}

test("CSV: what is written is what is read", async () => {
  const cell = fc.string({ unit: fc.constantFrom("a", '"', ",", "\n", " ", "é"), maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(cell, cell), { minLength: 1, maxLength: 8 }),
      fc.integer({ min: 1, max: 20 }),
      async (rows, pieceBytes) => {
        const text = rows.map(([a, b]) => `${quote(a)},${quote(b)}\n`).join("");
        const seen = await csv(`a,b\n${text}`, pieceBytes);
        expect(seen.map(([, fields]) => fields)).toEqual(rows.map(([a, b]) => ({ a, b })));
      },
    ),
  );
});
