// What each thread of the pool runs: one task at a time, timed where it is done.

import { TASKS } from "./tasks.ts";
import type { TaskName, Tasks } from "./tasks.ts";

export type Order<Name extends TaskName = TaskName> = {
  readonly name: Name;
  readonly input: Tasks[Name]["input"];
  /** process.hrtime, one clock for all threads of a process. */
  readonly askedNs: bigint;
};

export type Delivery<Name extends TaskName = TaskName> = {
  readonly waitSeconds: number;
  readonly runSeconds: number;
  readonly outcome: { readonly result: Tasks[Name]["result"] } | { readonly error: unknown };
};

export default function work<Name extends TaskName>(order: Order<Name>): Delivery<Name> {
  const beganNs = process.hrtime.bigint();
  const outcome = outcomeOf(order);
  return {
    waitSeconds: Number(beganNs - order.askedNs) / 1e9,
    runSeconds: Number(process.hrtime.bigint() - beganNs) / 1e9,
    outcome,
  };
}

/** A failure is handed over as data, or its time would not be counted. */
function outcomeOf<Name extends TaskName>({ name, input }: Order<Name>): Delivery<Name>["outcome"] {
  try {
    return { result: TASKS[name](input) };
  } catch (error) {
    return { error };
  }
}
