/** `npm run bench -- NAME [--tiny] [--long] [--data DIR]`: runs one benchmark of perfopt itself against its acceptance numbers. */
import { readdirSync } from "node:fs";
import { parseArgs } from "node:util";

export interface BenchOptions {
  /** A small input that finishes in seconds, for the tests. */
  readonly tiny: boolean;
  /** A folder with data that is not part of the project; benchmarks that need it say so. */
  readonly dataDir: string | undefined;
  /** Searches go on for many times as long, to show what there is to be found. */
  readonly long?: boolean;
}

export interface BenchResult {
  readonly title: string;
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
  readonly acceptance: readonly Acceptance[];
}

/** A number that perfopt promises, as this run measured it. */
export interface Acceptance {
  readonly what: string;
  readonly value: string;
  readonly goal: string;
  readonly ok: boolean;
}

/** What every file of this folder exports, but for this one. */
interface BenchModule {
  run(options: BenchOptions): Promise<BenchResult>;
}

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  const options = {
    tiny: { type: "boolean", default: false },
    long: { type: "boolean", default: false },
    data: { type: "string" },
  } as const;
  const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true });
  const names = benchNames();
  const [name] = positionals;
  if (name === undefined || positionals.length > 1 || !names.includes(name)) {
    const found =
      name === undefined
        ? "no benchmark is named"
        : `there is no benchmark ${positionals.join(" ")}`;
    process.stderr.write(`${found}; choose one of: ${names.join(", ")}\n`);
    return 2;
  }
  const bench: BenchModule = await import(new URL(`${name}.ts`, import.meta.url).href);
  const started = performance.now();
  const result = await bench.run({ ...values, dataDir: values.data });
  process.stdout.write(print(result));
  process.stdout.write(`\n${((performance.now() - started) / 1_000).toFixed(1)} s\n`);
  return result.acceptance.every(({ ok }) => ok) ? 0 : 1;
}

function benchNames(): readonly string[] {
  return readdirSync(import.meta.dirname)
    .filter((file) => file.endsWith(".ts") && file !== "run.ts")
    .map((file) => file.slice(0, -".ts".length))
    .toSorted();
}

/** A Markdown table, so that a result can be pasted into the docs as it is, and a line for each acceptance number. */
function print({ title, head, rows, acceptance }: BenchResult): string {
  const widths = head.map((cell, column) =>
    Math.max(cell.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const line = (cells: readonly string[]) =>
    `| ${widths.map((width, column) => (cells[column] ?? "").padEnd(width)).join(" | ")} |`;
  const rule = `|${widths.map((width) => "-".repeat(width + 2)).join("|")}|`;
  const table = [line(head), rule, ...rows.map(line)];
  const verdicts = acceptance.map(
    ({ what, value, goal, ok }) => `${what}: ${value} (${goal}) ${ok ? "ok" : "short"}`,
  );
  return `${[title, "", ...table, "", ...verdicts].join("\n")}\n`;
}
