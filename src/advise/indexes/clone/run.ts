/** Many statements in few round trips: a batch that fails is halved until the statement that fails is found. */
import { messageOf } from "../../../core/errors.ts";
import type { PlannerConnection } from "../../../core/planner.ts";

const BATCH = 200;

export interface Failure {
  /** Position in the list of statements. */
  readonly index: number;
  readonly message: string;
}

/** Runs all that can be run. Each batch is a transaction. */
export async function runAll(
  connection: PlannerConnection,
  statements: readonly string[],
): Promise<readonly Failure[]> {
  const failures: Failure[] = [];
  for (let from = 0; from < statements.length; from += BATCH) {
    await runRange(
      connection,
      statements,
      from,
      Math.min(statements.length, from + BATCH),
      failures,
    );
  }
  return failures;
}

async function runRange(
  connection: PlannerConnection,
  statements: readonly string[],
  from: number,
  to: number,
  failures: Failure[],
): Promise<void> {
  try {
    await connection.script(statements.slice(from, to).join(";\n"));
  } catch (error) {
    if (to - from === 1) {
      failures.push({ index: from, message: messageOf(error) });
      return;
    }
    const middle = Math.floor((from + to) / 2);
    await runRange(connection, statements, from, middle, failures);
    await runRange(connection, statements, middle, to, failures);
  }
}
