/** `perfopt advise pool`: how many connections a pool should have: from a CSV, on a service that perfopt starts, or on one by its URL. */
import { join } from "node:path";
import type { Command } from "commander";
import { PerfoptError, redactSecrets } from "../core/errors.ts";
import type { PoolAdvice } from "../core/pool-advice.ts";
import { poolChart } from "../report/pool/chart.ts";
import { poolAdviceDocument, poolAdviceMarkdown } from "../report/pool/document.ts";
import { writeDurably } from "../target/home.ts";
import type { PoolOptions } from "./advise-pool-options.ts";
import { runPoolAdvice } from "./advise-pool-session.ts";
import type { Context } from "./context.ts";
import { addFormatOptions, printDocument, type FormatOptions } from "./document.ts";
import { BUSY_MACHINE } from "./load.ts";
import { outputFolder } from "./output-folder.ts";

interface AdvisePoolOptions extends PoolOptions, FormatOptions {
  readonly output?: string;
}

export function addAdvisePool(advise: Command, context: Context): void {
  const command = advise
    .command("pool")
    .description("how many connections a pool should have, and why not more or fewer")
    .option(
      "--csv <file>",
      "a sweep: clients,throughput[,response_ms] by name or position; .gz too, - for stdin",
    )
    .option("--url <url>", "a service that runs already: its users are swept, its pool is not")
    .option(
      "--target <file>",
      "a service that perfopt starts: its pool is swept (default: the bundled model registry)",
    )
    .option("--scale <scale>", "size of the seeded data, where the target file seeds it")
    .option("--persona <name>", "of the load: its mix of requests")
    .option("--workload <name>", "of the load: from the target file (default: the first)")
    .option("--header <header...>", "of --url without --target")
    .option("--budget <time>", "what the sweep may take (default: 4m; 2m for --url)")
    .option("--window <time>", "of each measurement (default: 3s)")
    .option(
      "--sizes <list>",
      "to measure, such as 1,2,4,8,16,32 (default: 4 to 9 in even steps, as --budget allows)",
    )
    .option(
      "--senders <number>",
      "of a target: requests always under way; above the largest of --sizes (default: a quarter more than the largest size, 32 at least)",
    )
    .option("--workers <number>", "threads that send (default: 1)")
    .option("--busy-machine", BUSY_MACHINE)
    .option("--seed <number>", "of requests, orders, data and intervals", "42");
  addLimits(command);
  command.option("--output <folder>", "write advice.json, advice.md and the chart");
  addFormatOptions(command).action((options: AdvisePoolOptions) =>
    advisePoolCommand(context, options),
  );
  command.addHelpText(
    "after",
    `
Exit codes: 0 advised, 2 bad input, 3 nothing could be measured, 130 interrupted after taking everything down.
Examples:
  pgbench for some clients, written down as clients,tps:  perfopt advise pool --csv sweep.csv --cores 8
  perfopt advise pool --target shop.yaml --budget 6m --output advice
  perfopt advise pool --url http://127.0.0.1:3000/items`,
  );
}

/** What the sweep itself cannot show. */
function addLimits(command: Command): void {
  command
    .option("--cores <number>", "of the database's machine (default: this machine's, for --target)")
    .option("--present <number>", "connections of the pool of one process, as it is")
    .option("--threads <number>", "requests at a time of one process, for the deadlock floor")
    .option("--connections-per-request <number>", "that one request holds at once (default: 1)")
    .option("--max-connections <number>", "of the server, for a CSV or a URL")
    .option("--reserved <number>", "of them, for superusers and replication (default: 3)")
    .option("--other-clients <number>", "connections of others to the same server (default: 0)")
    .option(
      "--processes <number>",
      "of the service, each with a pool of its own; clients of a CSV are those of all together",
    )
    .option(
      "--copies <number>",
      "of the service that stand at a time: 2 where deployments overlap (default: 1)",
    )
    .option("--reconnects <number>", "a minute, at most, for the idle timeout (default: 6)");
}

async function advisePoolCommand(context: Context, options: AdvisePoolOptions): Promise<void> {
  refuseContradictions(options);
  const folder = await outputFolder(context, options.output);
  const advice = await runPoolAdvice(context, options);
  if (folder !== undefined) await writeFiles(folder, advice);
  printDocument(context, options, advice, poolAdviceDocument(advice));
}

function refuseContradictions({ csv, url, target, persona, budget }: AdvisePoolOptions): void {
  const wrong: readonly (readonly [boolean, string, string])[] = [
    [csv !== undefined && url !== undefined, "--csv and --url name two sources", "give one"],
    [csv !== undefined && target !== undefined, "--csv and --target name two sources", "give one"],
    [
      csv !== undefined && persona !== undefined,
      "--csv and --persona name two sources",
      "a file has been measured already",
    ],
    [
      csv !== undefined && budget !== undefined,
      "--csv and --budget do not go together",
      "a file takes no time",
    ],
  ];
  const found = wrong.find(([isWrong]) => isWrong);
  if (found) throw new PerfoptError("bad-input", found[1], found[2]);
}

async function writeFiles(folder: string, advice: PoolAdvice): Promise<void> {
  const chart = poolChart(advice);
  const files = [
    { name: "advice.json", text: `${redactSecrets(JSON.stringify(advice, null, 2))}\n` },
    { name: "advice.md", text: poolAdviceMarkdown(advice) },
    ...(chart ? [{ name: `${chart.name}.svg`, text: chart.svg }] : []),
  ];
  for (const { name, text } of files) await writeDurably(join(folder, name), text, 0o600);
}
