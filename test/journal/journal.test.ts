import { appendFile, mkdtemp, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { RunEvent } from "../../src/core/event.ts";
import { openJournal, reopenJournal } from "../../src/journal/journal.ts";
import { readJournal } from "../../src/journal/read.ts";
import { listRuns, registerRun, type RunRecord } from "../../src/journal/runs.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "perfopt journal-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const warning = (message: string): RunEvent => ({ type: "warning", message });

async function journalOf(messages: readonly string[]): Promise<string> {
  const path = join(folder, "run.jsonl");
  const journal = await openJournal(path);
  for (const message of messages) await journal.append(warning(message));
  await journal.close();
  return path;
}

async function messagesIn(path: string): Promise<readonly string[]> {
  const entries = await readJournal(path);
  return entries.map(({ event }) => (event.type === "warning" ? event.message : event.type));
}

describe("writing", () => {
  test("events that are appended at once are numbered and ordered as they were given", async () => {
    const path = join(folder, "run.jsonl");
    const journal = await openJournal(path);
    const messages = Array.from(
      { length: 50 },
      (_, index) => `${index} ${"x".repeat((index * 37) % 200)}`,
    );
    await Promise.all(messages.map((message) => journal.append(warning(message))));
    await journal.close();
    expect(await messagesIn(path)).toEqual(messages);
    expect((await readJournal(path)).map((entry) => entry.seq)).toEqual(
      messages.map((_, index) => index + 1),
    );
  });

  test("an event is in the file when append resolves", async () => {
    const path = join(folder, "run.jsonl");
    const journal = await openJournal(path);
    await journal.append(warning("now"));
    expect(await readFile(path, "utf8")).toMatch(
      /^\{"seq":1,"at":"\d{4}-.*Z","event":\{.*"now"\}\}\n$/,
    );
    await journal.close();
  });

  test("another run's journal is not overwritten", async () => {
    const path = await journalOf(["first"]);
    await expect(openJournal(path)).rejects.toMatchObject({ code: "bad-input" });
    expect(await messagesIn(path)).toEqual(["first"]);
  });

  test("reopening cuts a torn line off and goes on with the next number", async () => {
    const path = await journalOf(["first", "second"]);
    await appendFile(path, '{"seq":3,"at":"2031-');
    const journal = await reopenJournal(path);
    await journal.append(warning("third"));
    await journal.close();
    expect(await messagesIn(path)).toEqual(["first", "second", "third"]);
  });
});

describe("reading", () => {
  test("cut off after any byte, exactly the whole lines remain", async () => {
    const path = await journalOf(["first", "zweite Zeile äöü", "third"]);
    const whole = await readFile(path);
    for (let length = whole.length - 1; length >= 0; length -= 1) {
      await truncate(path, length);
      const lines = whole.subarray(0, length).filter((byte) => byte === 0x0a).length;
      expect(await readJournal(path)).toHaveLength(lines);
    }
  });

  test.each([
    ["a damaged line in the middle", (lines: string[]) => lines.with(1, lines[1]!.slice(0, 20)), 2],
    ["a whole last line that is no JSON", (lines: string[]) => lines.with(2, "oops"), 3],
    ["a missing line", (lines: string[]) => lines.toSpliced(1, 1), 2],
    ["a line of another kind", (lines: string[]) => lines.with(0, "{}"), 1],
  ])("%s is an error that names the line", async (_, damage, line) => {
    const path = await journalOf(["first", "second", "third"]);
    const lines = (await readFile(path, "utf8")).trimEnd().split("\n");
    await writeFile(path, `${damage(lines).join("\n")}\n`);
    await expect(readJournal(path)).rejects.toMatchObject({
      code: "bad-input",
      message: expect.stringContaining(`run.jsonl:${line} `),
    });
  });

  test("a missing journal is an error with a hint", async () => {
    await expect(readJournal(join(folder, "none.jsonl"))).rejects.toMatchObject({
      code: "bad-input",
    });
  });
});

function record(id: string): RunRecord {
  return {
    id,
    startedAt: "2031-01-01T00:00:00Z",
    persona: "speed-runner",
    target: "fixture",
    targetPath: "/somewhere/fixture.yaml",
    scale: "tiny",
    seed: 1,
    journalPath: `/reports/${id}/run.jsonl`,
  };
}

describe("the list of runs", () => {
  test("keeps runs in order, also after a line that a crash tore", async () => {
    expect(await listRuns(folder)).toEqual([]);
    await registerRun(folder, record("one"));
    await appendFile(join(folder, "runs.jsonl"), '{"id":"torn');
    await registerRun(folder, record("two"));
    expect((await listRuns(folder)).map((run) => run.id)).toEqual(["one", "two"]);
    expect((await listRuns(folder))[1]).toEqual(record("two"));
  });

  test("runs that start together are all there", async () => {
    const ids = Array.from({ length: 20 }, (_, index) => `run-${index}`);
    await Promise.all(ids.map((id) => registerRun(folder, record(id))));
    expect((await listRuns(folder)).map((run) => run.id).toSorted()).toEqual(ids.toSorted());
  });
});
