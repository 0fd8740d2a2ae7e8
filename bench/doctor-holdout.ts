/** The same ten sicknesses in services that no rule of the doctor was adjusted on: whether it names them too. */
import { examineSet } from "./doctor/examine.ts";
import { holdout } from "./doctor/holdout-faults.ts";
import type { BenchOptions, BenchResult } from "./run.ts";

export function run(options: BenchOptions): Promise<BenchResult> {
  const title = "doctor, hold-out: the same sicknesses in services that no rule was adjusted on";
  return examineSet(holdout, title, options);
}
