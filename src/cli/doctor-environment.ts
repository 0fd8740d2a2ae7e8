/** The first part of `perfopt doctor`: whether this machine has what is needed, and what earlier runs left behind. */
import type { EnvironmentCheck } from "../core/diagnosis.ts";
import { environmentChecks } from "../doctor/environment.ts";
import { listRuns } from "../journal/runs.ts";
import { readMachine } from "../target/doctor-machine.ts";
import type { Context } from "./context.ts";
import { entriesOf, isDirty } from "./runs.ts";

/** Takes a second: pressure is a share of time. */
export async function checkEnvironment(context: Context): Promise<readonly EnvironmentCheck[]> {
  const machine = await readMachine(context.home, context.env, context.signal);
  return environmentChecks(machine, await leftovers(context));
}

/** Runs that did not end; one that is still going is among them. */
async function leftovers(context: Context): Promise<readonly string[]> {
  const dirty: string[] = [];
  for (const record of await listRuns(context.home)) {
    const entries = await entriesOf(record);
    if (entries && isDirty(entries)) dirty.push(record.id);
  }
  return dirty;
}
