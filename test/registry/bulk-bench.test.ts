/** The acceptance numbers of imports in short: `npm run bench -- bulk` is the same for longer. */
import { expect, test } from "vitest";
import { run } from "../../bench/bulk.ts";

test(
  "memory is bounded, and nothing is lost or there twice after a kill",
  { timeout: 240_000 },
  async () => {
    const { acceptance, rows } = await run({ tiny: true, dataDir: undefined });
    expect(acceptance).toHaveLength(4);
    expect(
      acceptance.filter(({ ok }) => !ok),
      JSON.stringify([acceptance, rows], undefined, 1),
    ).toEqual([]);
  },
);
