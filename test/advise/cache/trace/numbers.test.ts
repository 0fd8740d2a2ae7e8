import { describe, expect, test } from "vitest";
import { readTrace } from "../../../../src/advise/cache/trace/read.ts";
import { chunksOf } from "./chunks.ts";

const read = (text: string) => readTrace(chunksOf(text), "trace.csv");
const UINT32_MAX = 2 ** 32 - 1;

describe("numbers that the columns cannot hold", () => {
  test.each([
    ["CSV", `time_s,key,size\n1,a,5e9\n2,b,${UINT32_MAX}\n3,c,4294967296\n`],
    [
      "JSON Lines",
      `{"time_s":1,"key":"a","size":5e9}\n{"time_s":2,"key":"b","size":${UINT32_MAX}}\n{"time_s":3,"key":"c","size":4294967296}\n`,
    ],
  ])("values of 4 GiB in %s are counted as 4 GiB, and that is said", async (_, text) => {
    const trace = await read(text);
    expect(Array.from(trace.valueBytes)).toEqual([UINT32_MAX, UINT32_MAX, UINT32_MAX]);
    expect(trace.caveats).toEqual(["2 rows have values of 4 GiB or more: counted as 4 GiB."]);
  });

  test("a time to live of months stays one, and one below a millisecond too", async () => {
    const trace = await read(
      "time_s,key,size,op,ttl_ms\n1,a,1,set,5184000000\n2,b,1,set,0.2\n3,c,1,set,0\n4,d,1,set,-1\n5,a,1,get,\n",
    );
    expect(Array.from(trace.ttlMs ?? [])).toEqual([UINT32_MAX - 1, 1, 0, 0, UINT32_MAX - 1]);
    const json = await read(
      '{"time_ms":1e12,"key":"a","size":1,"op":"set","ttl":5184000000}\n{"time_ms":1000000000001,"key":"a","op":"get"}\n',
    );
    expect(Array.from(json.ttlMs ?? [])).toEqual([UINT32_MAX - 1, UINT32_MAX - 1]);
  });

  test("a time to live that is known of nothing stored is none", async () => {
    const trace = await read("time_s,key,op,ttl_s\n1,a,get,\n2,b,expire,60\n3,a,get,\n");
    expect(trace.ttlMs).toBeUndefined();
  });
});

test("an empty process is not the one of the row before", async () => {
  const trace = await read("time_s,key,process\n1,a,7\n2,a,8\n3,a,\n4,a,8\n");
  expect(Array.from(trace.process ?? [])).toEqual([0, 1, 0, 1]);
});
