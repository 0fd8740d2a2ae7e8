/** `perfopt doctor`: what limits a service at its load, with the evidence, or that nothing does, or why nobody can tell. */
import { join } from "node:path";
import type { Command } from "commander";
import type { DoctorResult, EnvironmentResult } from "../core/diagnosis.ts";
import { PerfoptError, redactSecrets } from "../core/errors.ts";
import { doctorDocument, environmentDocument } from "../report/doctor/document.ts";
import { renderDocument, summaryLimit } from "../report/outputs/markdown.ts";
import { writeDurably } from "../target/home.ts";
import type { Context } from "./context.ts";
import { checkEnvironment } from "./doctor-environment.ts";
import { runDoctor } from "./doctor-session.ts";
import { addFormatOptions, printDocument, type FormatOptions } from "./document.ts";
import { addLoadOptions, addSubjectOptions, type LoadOptions } from "./load.ts";
import { outputFolder } from "./output-folder.ts";

interface DoctorOptions extends LoadOptions, FormatOptions {
  readonly target?: string;
  readonly url?: string;
  readonly method?: string;
  readonly header?: readonly string[];
  readonly body?: string;
  readonly scale?: string;
  readonly duration?: string;
  readonly output?: string;
  readonly strict?: boolean;
  readonly environment?: boolean;
}

/** Half of the shortest time that any rule looks at: what is diagnosed is far coarser than what a gate proves. */
const LAG_MAX = "25ms";

export function addDoctor(program: Command, context: Context): void {
  const command = program
    .command("doctor")
    .description(
      "what limits a service: the bottleneck with its evidence, what is exonerated, what to run next",
    );
  addFormatOptions(addLoadOptions(addSubjectOptions(command), { window: "5s", warmup: "1s" }))
    .option("--duration <time>", "the same as --window")
    .option(
      "--environment",
      "look at this machine only: what perfopt needs, and what would disturb it",
    )
    .option("--strict", "exit 3 where part of the evidence for the verdict was not measured")
    .option("--output <folder>", "write doctor.json and doctor.md into a folder")
    .action((options: DoctorOptions) => {
      if (options.environment) refuseOthers(command);
      return doctor(context, options);
    });
  command.addHelpText(
    "after",
    `
Exit codes: 0 nothing limits the service at this load, 1 a bottleneck was found, 2 bad input, 3 it could not be told,
130 interrupted after taking everything down.
With --environment: 0 ready, 3 something that perfopt needs is missing.
Examples:
  perfopt doctor --persona speed-runner
  perfopt doctor --target service.yaml --rate 200 --duration 10s
  perfopt doctor --environment --json`,
  );
}

async function doctor(context: Context, options: DoctorOptions): Promise<void> {
  if (options.environment) return environmentOnly(context, options);
  if (options.duration !== undefined && options.window !== undefined) {
    throw new PerfoptError(
      "bad-input",
      "--duration and --window do not go together",
      "they are the same: leave one out",
    );
  }
  const folder = await outputFolder(context, options.output);
  const checks = await checkEnvironment(context);
  const { duration, output: _, strict = false, lagMax = LAG_MAX, ...rest } = options;
  const result = await runDoctor(
    context,
    { ...rest, lagMax, ...(duration === undefined ? {} : { window: duration }) },
    checks,
  );
  context.exitWith(exitCodeOf(result, strict));
  const document = doctorDocument(result);
  printDocument(context, options, result, document);
  if (folder === undefined) return;
  await writeDurably(
    join(folder, "doctor.json"),
    `${redactSecrets(JSON.stringify(result, null, 2))}\n`,
  );
  await writeDurably(join(folder, "doctor.md"), renderDocument(document, summaryLimit(0)) ?? "");
}

/** What would be ignored would be taken for looked at. */
function refuseOthers(command: Command): void {
  const understood = new Set(["environment", "format", "json"]);
  const others = command.options.filter((option) => {
    const name = option.attributeName();
    return !understood.has(name) && command.getOptionValueSource(name) === "cli";
  });
  if (others.length === 0) return;
  throw new PerfoptError(
    "bad-input",
    `--environment looks at this machine only, and does not go with ${others.map(({ long }) => long).join(", ")}`,
    "leave out one or the other",
  );
}

async function environmentOnly(context: Context, options: DoctorOptions): Promise<void> {
  const result: EnvironmentResult = {
    schema: "perfopt-doctor-environment/v1",
    at: new Date().toISOString(),
    checks: await checkEnvironment(context),
  };
  context.exitWith(result.checks.some(({ status }) => status === "bad") ? 3 : 0);
  printDocument(context, options, result, environmentDocument(result));
}

function exitCodeOf({ diagnosis }: DoctorResult, strict: boolean): 0 | 1 | 3 {
  const { verdict, certainty } = diagnosis;
  if (verdict === "host" || verdict === "unknown") return 3;
  if (strict && certainty === "low") return 3;
  return verdict === "none" ? 0 : 1;
}
