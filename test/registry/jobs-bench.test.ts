/** The acceptance numbers of jobs in short: `npm run bench -- jobs` is the same for longer. */
import { expect, test } from "vitest";
import { run } from "../../bench/jobs.ts";

test(
  "no job is lost or completed twice, poison ends in a dead letter, refusals say when to come back",
  {
    timeout: 180_000,
  },
  async () => {
    const { acceptance, rows } = await run({ tiny: true, dataDir: undefined });
    expect(acceptance.length).toBeGreaterThan(8);
    expect(
      acceptance.filter(({ ok }) => !ok),
      JSON.stringify([acceptance, rows], undefined, 1),
    ).toEqual([]);
  },
);
