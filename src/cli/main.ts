/** The command line: parses arguments, runs one command, turns its end into an exit code. */
import { Command, CommanderError } from "commander";
import { messageOf, PerfoptError, redactSecrets, type ErrorCode } from "../core/errors.ts";
import { addAdvise } from "./advise.ts";
import { addBench } from "./bench.ts";
import { contextOf, type Context } from "./context.ts";
import { addCompare } from "./compare.ts";
import { addDoctor } from "./doctor.ts";
import { addGate } from "./gate.ts";
import { addHistory } from "./history.ts";
import { addPersonas } from "./personas.ts";
import { addReport } from "./report.ts";
import { addRollback } from "./rollback.ts";
import { addRun } from "./run.ts";
import { addSnapshot } from "./snapshot.ts";
import { addStatus } from "./status.ts";
import { addTarget } from "./target.ts";

const EXIT: Readonly<Record<ErrorCode, number>> = {
  "bad-input": 2,
  "cannot-measure": 3,
  "dirty-target": 4,
  interrupted: 130,
};
const EXIT_USAGE = 2;
/** A defect of perfopt itself: the stack is printed, since nobody but its developers can act on it. */
const EXIT_DEFECT = 70;

/** Runs the command that `args` (without node and script) name; returns the exit code. */
export async function main(
  args: readonly string[],
  context: Context = contextOf(args),
): Promise<number> {
  const program = programOf(context);
  try {
    await program.parseAsync([...args], { from: "user" });
    return context.exitCode();
  } catch (error) {
    return report(error, context);
  } finally {
    context.close();
  }
}

function programOf(context: Context): Command {
  const program = new Command("perfopt")
    .description(
      "Performance optimisation for HTTP services on PostgreSQL and Redis:\nevery change proven by interleaved trials, kept or undone, and reported.",
    )
    .version(context.version)
    .exitOverride()
    .configureOutput({ writeOut: context.out, writeErr: context.err })
    .showHelpAfterError("(run with --help for the options)");
  addRun(program, context);
  addBench(program, context);
  addDoctor(program, context);
  addGate(program, context);
  addCompare(program, context);
  addHistory(program, context);
  addAdvise(program, context);
  addSnapshot(program, context);
  addStatus(program, context);
  addRollback(program, context);
  addReport(program, context);
  addPersonas(program, context);
  addTarget(program, context);
  for (const command of allCommands(program)) {
    command.exitOverride().configureOutput({ writeOut: context.out, writeErr: context.err });
  }
  program.addHelpText(
    "after",
    `
Exit codes: 0 done, 1 a gate or an SLO failed, 2 bad input, 3 could not measure, 4 changes left behind (perfopt rollback), 130 interrupted after undoing.
Start here: perfopt run --persona speed-runner --dry-run`,
  );
  return program;
}

function allCommands(command: Command): readonly Command[] {
  return command.commands.flatMap((each) => [each, ...allCommands(each)]);
}

function report(error: unknown, context: Context): number {
  if (error instanceof CommanderError) {
    // Help and version are printed already and are no failure; commander has printed its own usage errors.
    return error.exitCode === 0 ? 0 : EXIT_USAGE;
  }
  if (error instanceof PerfoptError) {
    context.err(`${context.style.bad("error:")} ${redactSecrets(error.message)}\n`);
    context.err(`${context.style.dim("what to do:")} ${redactSecrets(error.hint)}\n`);
    return EXIT[error.code];
  }
  context.err(`perfopt itself failed, which is a defect: ${redactSecrets(messageOf(error))}\n`);
  if (error instanceof Error && error.stack) context.err(`${redactSecrets(error.stack)}\n`);
  return EXIT_DEFECT;
}
