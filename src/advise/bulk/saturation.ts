/** Where more threads stop: at the number with which the machine's CPU was found to be in use nearly all of the time. */
import type { KnobReading } from "../../core/observation.ts";
import { formatRatio } from "../../core/units.ts";
import { isSaturated } from "./cpu.ts";
import { valuesAfter } from "./past.ts";
import type { Probe } from "./past.ts";

export interface SaturationQuestion {
  readonly workers: KnobReading;
  readonly present: number;
  /** Of the observed window. */
  readonly share: number | undefined;
  readonly probes: readonly Probe[];
  /** Of a probe's window. */
  readonly shareOf: (probe: Probe) => number | undefined;
  readonly cores: number;
}

export interface WorkersMost {
  /** More are not tried. */
  readonly most: number;
  readonly because: string;
}

/** The fewest workers that saturate the CPU, the present number at least; undefined while none was found to. */
export function workersMost(question: SaturationQuestion): WorkersMost | undefined {
  const { workers, present, share, probes, shareOf, cores } = question;
  const measured = [
    { count: present, share },
    ...probes.map((probe) => ({
      count: valuesAfter(probe.changes, [workers])[workers.knob.id] ?? present,
      share: shareOf(probe),
    })),
  ];
  const saturated = measured
    .filter((each) => each.count >= present && isSaturated(each.share))
    .reduce<(typeof measured)[number] | undefined>(
      (least, each) => (least && least.count <= each.count ? least : each),
      undefined,
    );
  if (!saturated) return undefined;
  return {
    most: saturated.count,
    because: `more than ${saturated.count} workers were not tried: with ${saturated.count}, at least ${formatRatio(saturated.share ?? 0)} of the ${cores} cores are in use while a report is made, so that more only take turns`,
  };
}
