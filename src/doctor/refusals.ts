/** When nothing may be diagnosed: a noisy host, a generator that could not keep time, numbers that contradict each other. */
import type { DoctorEvidence } from "../core/diagnosis.ts";
import type { Readings } from "../core/readings.ts";
import { lineForCpu, made, sign, signInWords, type Sign } from "./signs.ts";
import { THRESHOLDS as at } from "./thresholds.ts";

export interface Refusal {
  readonly verdict: "host" | "unknown";
  readonly because: readonly string[];
}

export function refusalOf(evidence: DoctorEvidence): Refusal | undefined {
  const host = evidence.hostJudged ? hostSigns(evidence).filter(isShown) : [];
  if (host.length > 0) return { verdict: "host", because: host.map(signInWords) };
  const generator = generatorSigns(evidence).filter(isShown);
  const missing = [lineForCpu(evidence, ">=")].filter(isShown);
  return generator.length > 0
    ? { verdict: "unknown", because: [...generator, ...missing].map(signInWords) }
    : undefined;
}

/** Where the user said that the machine is busy: what it would have been refused for. */
export function hostRemarks(evidence: DoctorEvidence): readonly string[] {
  const shown = evidence.hostJudged ? [] : hostSigns(evidence).filter(isShown);
  return shown.length === 0
    ? []
    : [
        `the machine was busy, and is not judged with --busy-machine: times may be its neighbours' doing (${shown.map(signInWords).join("; ")})`,
      ];
}

/**
 * Pressure without load is that of others. Under load it may be the load's own, so that the work of others is counted, and only that
 * which is felt.
 */
export function hostSigns({ quiet, light, loaded }: DoctorEvidence): readonly Sign[] {
  return [
    sign(quiet, "machine.cpuPressure", ">=", at.pressure, "without load"),
    sign(quiet, "machine.ioPressure", ">=", at.pressure, "without load"),
    felt(light, ", one request at a time"),
    felt(loaded),
    sign(loaded, "machine.stealShare", ">=", at.steal),
  ];
}

function felt(window: Readings, where = ""): Sign {
  return made({
    resource: "machine",
    title: `CPU used by other programs while some wait for a core${where}`,
    unit: "ratio",
    value: (window["machine.cpuPressure"] ?? 1) > at.pressure ? window["machine.foreignShare"] : 0,
    compare: ">=",
    limit: at.foreign,
  });
}

export function generatorSigns({ light, loaded }: DoctorEvidence): readonly Sign[] {
  return [
    sign(loaded, "generator.cpuShare", ">", at.generatorCpu),
    sign(loaded, "generator.lagOverLimit", ">", at.generatorLag),
    sign(loaded, "generator.littleDifference", ">", at.littleDifference),
    sign(light, "generator.littleDifference", ">", at.littleDifference, "one request at a time"),
  ];
}

function isShown({ shown }: Sign): boolean {
  return shown === true;
}
