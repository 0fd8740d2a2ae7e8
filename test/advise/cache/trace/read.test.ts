import { describe, expect, test } from "vitest";
import { cacheOperations, type CacheTrace } from "../../../../src/core/cache-trace.ts";
import { PerfoptError } from "../../../../src/core/errors.ts";
import { readTrace } from "../../../../src/advise/cache/trace/read.ts";
import { chunksOf } from "./chunks.ts";

function read(text: string, options?: { readonly rowsMax?: number }): Promise<CacheTrace> {
  return readTrace(chunksOf(text), "trace.csv", options);
}

/** `0 get k0 10 b`: milliseconds, operation, key by number, bytes. */
function rowsOf(trace: CacheTrace): readonly string[] {
  return Array.from(trace.key, (key, row) =>
    [
      trace.timeMs[row],
      cacheOperations[trace.operation[row] ?? 0],
      `k${key}`,
      trace.valueBytes[row],
    ].join(" "),
  );
}

async function failure(text: string): Promise<PerfoptError> {
  const error: unknown = await read(text).catch((caught: unknown) => caught);
  if (!(error instanceof PerfoptError))
    throw new Error("it did not fail as it should", { cause: error });
  return error;
}

async function failureOfBytes(...values: readonly number[]): Promise<string> {
  const error = await readTrace(
    (async function* () {
      yield Uint8Array.from(values);
    })(),
    "f",
  ).catch((caught: unknown) => caught);
  return error instanceof PerfoptError ? error.message : "another error";
}

const same = ["0 get k0 10", "1000 get k1 20", "2500 set k0 30", "3000 delete k1 0"];

describe("CSV", () => {
  test.each([
    ["its own names", "time,key,size,op\n1.0,a,10,get\n2.0,b,20,get\n3.5,a,30,set\n4,b,,delete\n"],
    ["no header", "1,a,10,get\n2,b,20,get\n3.5,a,30,set\n4,b,0,delete"],
    [
      "columns in any order, with other names, quotes, and blank lines",
      'op,Value_Size,x,"obj_id",timestamp_ms\nGET,10,?,"a",1000\nget,20,?,b,2000\r\n\nSET,30,?,a,3500\nDel,,?,"b",4000\n',
    ],
    [
      "tabs",
      "ts\tkey\tbytes\tcmd\n1\ta\t10\tget\n2\tb\t20\tget\n3.5\ta\t30\tset\n4\tb\t\tunlink\n",
    ],
    [
      "times in microseconds since 1970",
      [
        "1700000000000000,a,10,get",
        "1700000001000000,b,20,get",
        "1700000002500000,a,30,set",
        "1700000003000000,b,0,del",
      ].join("\n"),
    ],
    [
      "times in seconds since 1970",
      [
        "1700000000,a,10,get",
        "1700000001,b,20,get",
        "1700000002.5,a,30,set",
        "1700000003,b,0,del",
      ].join("\n"),
    ],
    ["out of order", "time_s,key,size,op\n2,b,20,get\n4,b,,delete\n1,a,10,get\n3.5,a,30,set\n"],
    [
      "semicolons and a byte order mark",
      "\uFEFFtime;key;size;op\n1;a;10;get\n2;b;20;get\n3.5;a;30;set\n4;b;;delete\n",
    ],
  ])("with %s", async (_, text) => {
    const trace = await read(text);
    const [a, b] = trace.valueBytes[0] === 30 && trace.key[0] === 1 ? ["k1", "k0"] : ["k0", "k1"];
    // Without outcomes, a set after the first get is what that get had loaded.
    expect(rowsOf(trace)).toEqual([`0 get ${a} 30`, `1000 get ${b} 20`, `3000 delete ${b} 0`]);
    expect(trace.costMs?.[0]).toBe(2_500);
    expect(trace.keyCount).toBe(2);
    expect(trace.sampledShare).toBe(1);
  });

  test("with outcomes keeps stores that follow hits, and deletes", async () => {
    const trace = await read(
      "time,key,size,op,outcome\n1.0,a,10,get,hit\n2.0,b,20,get,miss\n3.5,a,30,set,\n4,b,,delete,\n",
    );
    expect(rowsOf(trace)).toEqual(same);
    expect(Array.from(trace.outcome ?? [])).toEqual([1, 2, 0, 0]);
  });

  test("all of perfopt's own columns, comments and repeated headers", async () => {
    const header = "time,key,prefix,size,op,ttl,cost,outcome,process,keyBytes\n";
    const part = (pid: number, at: number) =>
      [
        "# perfopt-cache-trace/1",
        "# salt 1a2b",
        "# share 0.5",
        `${header}${at},00000000000000aa,,,get,,,miss,${pid},12`,
        `${at + 20},00000000000000aa,models/get,300,load,60000,18.5,,${pid},12`,
        "# gets 3",
        `${at + 30},00000000000000aa,models/get,300,get,,,hit,${pid},12`,
        `${at + 40},00000000000000bb,users,5,set,0,,,${pid},9`,
        `${at + 50},00000000000000aa,models/get,,write,,,,${pid},12`,
        "# gets 1",
        "",
      ].join("\n");
    const trace = await read(part(4711, 1_700_000_000_000) + part(4712, 1_700_000_000_100));
    expect(rowsOf(trace)).toEqual([
      "0 get k0 300",
      "30 get k0 300",
      "40 set k1 5",
      "50 write k0 0",
      "100 get k0 300",
      "130 get k0 300",
      "140 set k1 5",
      "150 write k0 0",
    ]);
    expect(Array.from(trace.ttlMs ?? []).slice(0, 3)).toEqual([60_000, 60_000, 0]);
    expect(Array.from(trace.costMs ?? []).slice(0, 2)).toEqual([18.5, 18.5]);
    expect(Array.from(trace.process ?? [])).toEqual([0, 0, 0, 0, 1, 1, 1, 1]);
    expect(trace.processes).toBe(2);
    expect(trace.prefixes).toEqual(["", "models/get", "users"]);
    expect(Array.from(trace.prefixOf)).toEqual([1, 2]);
    expect(Array.from(trace.keyBytes)).toEqual([12, 9]);
    expect(trace.sampledShare).toBe(0.5);
    expect(trace.getsOfAll).toBe(8);
    expect(trace.caveats).toBeUndefined();
  });

  test("Twitter's cache traces and MONITOR TRACE of Valkey are known by their shape", async () => {
    const twitter = await read(
      "0,key-1,5,100,7,get,0\n1,key-1,5,100,7,set,30\n2,key-1,5,100,7,get,0\n",
    );
    expect(rowsOf(twitter)).toEqual(["0 get k0 100", "2000 get k0 100"]);
    expect(Array.from(twitter.ttlMs ?? [])).toEqual([30_000, 30_000]);
    expect(Array.from(twitter.keyBytes)).toEqual([5]);
    const valkey = await read(
      [
        '1778474345309397,76,0,get,"app:12,3",READ,0,string,0,0',
        '1778474345310397,77,0,set,"app:12,3",WRITE,1,string,32,160',
        '1778474345311397,78,0,get,"app:12,3",READ,1,string,32,160',
        '1778474345311999,79,0,zadd,"z\\"1",WRITE,1,zset,9,160',
        '1778474345312397,80,0,unlink,"app:12,3",DELETE,1,string,32,160',
      ].join("\n"),
    );
    expect(rowsOf(valkey).map((row) => row.replace(/^[\d.]+ /, ""))).toEqual([
      "get k0 32",
      "get k0 32",
      "set k1 9",
      "delete k0 32",
    ]);
    expect(Array.from(valkey.outcome ?? [])).toEqual([2, 1, 0, 0]);
    expect(valkey.prefixes).toEqual([""]);
  });

  test("a time that does not say its unit is taken as seconds, and that is said", async () => {
    const trace = await read("time,key,size\n0,a,1\n60,b,1\n");
    expect(trace.timeMs[1]).toBe(60_000);
    expect(trace.caveats?.join()).toMatch(/taken as seconds/);
    expect((await read("time_ms,key,size\n0,a,1\n60,b,1\n")).caveats).toBeUndefined();
  });

  test("more rows than wanted are left out, and that is said", async () => {
    const text = `time_s,key,size\n${Array.from({ length: 50 }, (_, row) => `${row},k${row},1`).join("\n")}`;
    const trace = await read(text, { rowsMax: 20 });
    expect(trace.rows).toBe(20);
    expect(trace.caveats?.join()).toMatch(/first 20 rows of trace\.csv/);
    expect((await read(text, { rowsMax: 50 })).caveats).toBeUndefined();
  });

  test("rows that were dropped and salts that differ are said", async () => {
    const trace = await read(
      "# salt a\n# dropped 5\ntime_s,key\n1,a\n# salt b\n# dropped 2\n2,b\n",
    );
    expect(trace.caveats?.[0]).toMatch(/^7 rows were dropped/);
    expect(trace.caveats?.[1]).toMatch(/2 different salts.*PERFOPT_TRACE_SALT/);
  });
});

describe("what cannot be read", () => {
  test.each([
    ["time,key,size\n1,a,10\n2,b,ten\n", /trace\.csv, line 3: the size is "ten", not bytes/],
    ["time,key,size\n1,a,10\nyesterday,b,1\n", /line 3: the time is "yesterday"/],
    ["time,key,op\n1,a,get\n2,b,destroy\n", /line 3: the operation is "destroy"/],
    ["time,key,size\n1,a,10\n2\n", /line 3: it has 1 of 3 columns/],
    ["time,key\n1,\n", /line 2: the key is empty/],
    ['time,key\n1,"a\n', /line 2: a quote is not closed/],
    ["when,what\n1,a\n", /line 1: the header names no column for key/],
    ["1,2\n", /line 1: the first line has 2 columns and no names/],
    ["", /trace\.csv has no rows/],
    ["time,key\n", /has no rows/],
    ['{"time":1,"key":"a"}\n{"time":2,"key":"secret-key\n', /line 2: it is not JSON/],
    ['{"time":1,"key":"a"}\n{"key":"b"}\n', /line 2: it has no time/],
    ['{"time":1}\n', /line 1: it has no key/],
    ['{"time":1,"key":"a","op":"jump"}\n', /line 1: the operation is none of/],
    ['{"time":1,"key":"a","size":"big"}\n', /line 1: the size is not a number/],
    ['{"time":1,"key":"a","size":1}\n{"time":2,"key":"a","size":-1}\n', /line 2: the size is -1/],
    ["time,key,size\n1,a,10\n2,b,-1\n", /trace\.csv, line 3: the size is -1/],
    [`time,key,size\n${"9".repeat(400)},a,10\n`, /line 2: the time is "9{40}\.\.\."/],
    [
      "# perfopt-cache-trace/1\n# folded\ntime,key,op\n1,a,get\n2,a,load\n",
      /trace\.csv says `# folded`, yet it has rows of load or expire/,
    ],
    ["{}\n[1]\n", /line 1: it has no time/],
  ])("%j", async (text, message) => {
    const error = await failure(text);
    expect(error.code).toBe("bad-input");
    expect(error.message).toMatch(message);
    expect(error.hint.length).toBeGreaterThan(10);
    expect(error.message).not.toContain("secret");
  });

  test("packed or binary files, and lines without an end", async () => {
    expect(await failureOfBytes(0x1f, 0x8b, 8, 0)).toMatch(/packed with gzip/);
    expect(await failureOfBytes(1, 0, 0, 0)).toMatch(/not text/);
    const long = await readTrace(
      chunksOf(`time,key\n1,${"x".repeat(5_000_000)}`, 1 << 20),
      "f",
    ).catch((error: unknown) => error);
    expect(long).toMatchObject({ message: "f, line 1: the line is too long to be a row" });
  });
});

test("JSON Lines, with other names, missing fields and nulls", async () => {
  const trace = await read(
    [
      '{"ts":1700000000000,"key":"models:1","hit":false,"op":"get","pid":7}',
      '{"ts":1700000000005,"key":"models:1","bytes":"120","op":"load","ttl":5000,"cost":4.5,"other":[1]}',
      "",
      '{"ts":1700000000010,"key":"models:1","hit":true,"ttl":null}',
      '{"ts":1700000000020,"key":42,"op":"WRITE"}',
    ].join("\n"),
  );
  expect(rowsOf(trace)).toEqual(["0 get k0 120", "10 get k0 120", "20 write k1 0"]);
  expect(Array.from(trace.ttlMs ?? [])).toEqual([5_000, 5_000, 0]);
  expect(trace.costMs?.[0]).toBe(4.5);
  expect(trace.prefixes).toEqual([""]);
  expect(trace.keyBytes[0]).toBe(8);
});

test("JSON Lines and CSV give the same keys", async () => {
  const csv = await read("time_s,key,size\n1,ä:1,1\n2,b,1\n3,ä:1,1\n");
  const json = await read(
    '{"time_s":1,"key":"ä:1"}\n{"time_s":2,"key":"b"}\n{"time_s":3,"key":"ä:1"}\n',
  );
  expect(Array.from(csv.key)).toEqual(Array.from(json.key));
});

describe("the text of MONITOR", () => {
  const lines = [
    "OK",
    '1700000000.000000 [0 127.0.0.1:50600] "GET" "models:1"',
    '1700000000.020000 [0 127.0.0.1:50600] "SET" "models:1" "a \\"q\\" \\x00\\xff\\n" "EX" "60"',
    '1700000000.030000 [0 127.0.0.1:50601] "get" "models:1"',
    '1700000000.040000 [0 lua] "hset" "h" "f" "v"',
    '1700000000.050000 [0 unix:/a b] c.sock] "mget" "models:1" "models:2"',
    '1700000000.060000 [0 127.0.0.1:1] "expire" "models:2" "30"',
    '1700000003.000000 [0 127.0.0.1:1] "setex" "models:3" "10" "0123456789"',
    '1700000003.100000 [1 127.0.0.1:1] "get" "models:1"',
    "what is this",
    '1700000004.000000 [0 127.0.0.1:1] "DEL" "models:1" "models:3"',
    "",
  ].join("\n");

  test("gives gets, what they loaded, stores, times to live and deletes", async () => {
    const trace = await read(lines);
    expect(rowsOf(trace)).toEqual([
      "0 get k0 9",
      "30 get k0 9",
      "50 get k0 9",
      "50 get k1 0",
      "3000 set k2 10",
      "3100 get k3 0",
      "4000 delete k0 0",
      "4000 delete k2 0",
    ]);
    expect(Array.from(trace.ttlMs ?? []).slice(0, 5)).toEqual([
      60_000, 60_000, 60_000, 30_000, 10_000,
    ]);
    expect(trace.costMs?.[0]).toBeCloseTo(20, 3);
    expect(trace.prefixes).toEqual([""]);
    expect(trace.caveats?.[0]).toMatch(/does not say whether a get hit/);
    expect(trace.caveats?.[1]).toMatch(/^1 line is not of MONITOR/);
  });

  test("as a client gets it, with a plus before each line", async () => {
    const trace = await read(
      '+1700000000.5 [0 127.0.0.1:1] "get" "a"\n+1700000001.5 [0 127.0.0.1:1] "get" "a"\n',
    );
    expect(rowsOf(trace)).toEqual(["0 get k0 0", "1000 get k0 0"]);
  });
});
