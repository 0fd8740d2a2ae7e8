/** The highest load that a service carries within its objectives: measures where the search asks, until the bracket is narrow and sure. */
import { PerfoptError, throwIfAborted } from "../core/errors.ts";
import type { Clock } from "../core/ports.ts";
import type { LimitResult } from "../core/result.ts";
import type { Sample, ValidityCheck } from "../core/sample.ts";
import type { Slo } from "../core/slo.ts";
import { readWindow, type Reading, type WindowKind } from "./reading.ts";
import { limitResult, loadInWords, type Measured } from "./result.ts";
import { nextStep, type SearchSettings } from "./search.ts";
import { PRECISION } from "./windows.ts";

export interface LimitSearch {
  readonly unit: LimitResult["unit"];
  /** At least one. All have to hold. */
  readonly slos: readonly Slo[];
  /** Never called while another call is under way. */
  readonly measure: (request: LimitRequest) => Promise<Sample>;
  /** The first load; when it breaks, lower ones are tried. */
  readonly from?: number;
  /** No lower load is tried. */
  readonly least?: number;
  /** No higher load is tried. */
  readonly most?: number;
  /** The search ends when the loads that hold and break are this far apart: 0.05 is 5 %. */
  readonly precision?: number;
  /** The most windows, those that only let the service recover not counted. */
  readonly windowsMax?: number;
  readonly clock: Clock;
  /** By the clock: no window begins that would end later. Absent: the number of windows is the only limit. */
  readonly deadline?: number;
  readonly signal: AbortSignal;
  readonly say: (line: string) => void;
}

export interface LimitRequest {
  /** In the search's unit. */
  readonly load: number;
  /** From 0, counted over all windows: for the seed. */
  readonly attempt: number;
  /**
   * probe: a short window. confirm: one several times as long, of the load that the result will say holds. settle: a short one that
   * counts for nothing, so that a service that was overloaded may get through its queues.
   */
  readonly window: WindowKind | "settle";
}

const DEFAULTS = {
  "requests/s": { from: 20, least: 1, most: 100_000 },
  users: { from: 2, least: 1, most: 10_000 },
} as const;
const WINDOWS_MAX = 60;
const FALLING_BEHIND: ReadonlySet<ValidityCheck["id"]> = new Set([
  "rate-reached",
  "no-drops",
  "errors",
]);

/**
 * Throws bad-input for objectives or loads that cannot be searched with, cannot-measure when not one window could be used,
 * interrupted when `signal` aborts, and what `measure` throws.
 */
export async function findLimit(search: LimitSearch): Promise<LimitResult> {
  const settings = settingsOf(search);
  const measured: Measured[] = [];
  let attempt = 0;
  let longestMs = 0;
  let overloaded = false;
  const measure = (load: number, window: LimitRequest["window"]): Promise<Sample> => {
    throwIfAborted(search.signal);
    attempt += 1;
    return search.measure({ load, attempt: attempt - 1, window });
  };
  for (;;) {
    const readings = measured.map(({ reading }) => reading);
    const step = nextStep(settings, readings, windowsLeft(search, measured.length, longestMs));
    if (!step) return limitResult(settings, measured);
    const startedAt = search.clock.now();
    if (overloaded) {
      search.say("a light load, for the service to recover");
      await measure(restingLoad(settings, readings), "settle");
    }
    search.say(`${loadInWords(settings.unit, step.load)}: ${step.why}`);
    const sample = await measure(step.load, step.window);
    overloaded = fellBehind(sample);
    longestMs = Math.max(longestMs, search.clock.now() - startedAt);
    const reading = readWindow({ load: step.load, kind: step.window, sample }, search.slos);
    measured.push({ reading, metrics: sample.metrics });
  }
}

function settingsOf(search: LimitSearch): SearchSettings {
  const { unit, slos, precision = PRECISION } = search;
  const defaults = DEFAULTS[unit];
  const least = search.least ?? Math.min(defaults.least, search.from ?? defaults.least);
  const most = search.most ?? Math.max(defaults.most, search.from ?? defaults.most);
  const from = search.from ?? Math.min(most, Math.max(least, defaults.from));
  if (slos.length === 0) {
    throw new PerfoptError(
      "bad-input",
      "a limit is the most load that holds an SLO, and no SLO is given",
      "give one, for example --slo p95<200ms",
    );
  }
  const throughput = slos.find(({ metric }) => metric === "api.requestsPerSecond");
  if (throughput) {
    throw new PerfoptError(
      "bad-input",
      `the limit of the load cannot be searched with ${throughput.text}: throughput is what is being varied`,
      "leave it out, and give limits for latencies or errors",
    );
  }
  const loads = [least, from, most, precision].every((each) => Number.isFinite(each) && each > 0);
  if (!loads || least > from || from > most || precision > 1) {
    throw new PerfoptError(
      "bad-input",
      `no limit can be searched from ${from} ${unit} between ${least} and ${most} to a precision of ${precision}`,
      "give positive loads in order, and a precision such as 0.05",
    );
  }
  return { unit, from, least, most, precision };
}

function windowsLeft(search: LimitSearch, measured: number, longestMs: number): number {
  const left = (search.windowsMax ?? WINDOWS_MAX) - measured;
  if (search.deadline === undefined) return left;
  const leftMs = search.deadline - search.clock.now();
  if (leftMs <= 0) return 0;
  return longestMs === 0 ? left : Math.min(left, Math.floor(leftMs / longestMs));
}

/** All answers of a window are waited for; what was given up on may keep the service busy for longer. */
function fellBehind(sample: Sample): boolean {
  return sample.load.checks.some(({ id, ok }) => !ok && FALLING_BEHIND.has(id));
}

function restingLoad(settings: SearchSettings, readings: readonly Reading[]): number {
  return Math.min(settings.from, ...readings.map(({ load }) => load));
}
