/** Where each objective stands at one load: its distance from the limit over all windows, and how far that can be trusted. */
import { median } from "simple-statistics";
import { studentQuantile } from "../decide/distribution.ts";
import type { Distance, Reading } from "./reading.ts";

/** One objective at one load. */
export interface Standing {
  readonly subject: string;
  /** Of value over limit, as a logarithm: the mean over the windows, stalls tamed. */
  readonly distance: number;
  /** A distance beyond this, to either side, is shown. */
  readonly bound: number;
  /** Windows on the same side of the limit as the mean. */
  readonly agreeing: number;
  /** Of the window in the middle. */
  readonly words: string;
}

/** What the prior noise of a subject has to be multiplied with, and how well that is known. */
export interface Scale {
  readonly factor: number;
  readonly degrees: number;
}

/**
 * One-sided error of one look at one load. At a load exactly at the limit, all looks together err about 3 times as often; the search
 * looks at few loads that are that near (measured: bench/limit.ts).
 */
const LOOK_ERROR = 0.025;
/** The prior noise counts as much as this many differences between windows of the same load. */
const PRIOR_DEGREES = 4;
/** Beyond this many standard deviations from the median a window is a stall, and is moved to here (Huber 1964). */
const OUTLIER_DEVIATIONS = 2.5;
/** The noise of a service that is far from its limit, or drowning, is not the noise at the limit: e^1.5 is 4.5 times. */
const NEAR = 1.5;

export function standingsOf(
  readings: readonly Reading[],
  scaleOf: (subject: string) => Scale,
): readonly Standing[] {
  const subjects = new Set(
    readings.flatMap(({ distances }) => distances.map((each) => each.subject)),
  );
  return [...subjects].map((subject) =>
    standingOf(subject, distancesOf(readings, subject), scaleOf(subject)),
  );
}

/** The noise that windows of the same load show, with the prior's weight: without it two windows alike would prove anything. */
export function scalesOf(readings: readonly Reading[]): (subject: string) => Scale {
  const loads = [...new Set(readings.map(({ load }) => load))];
  const known = new Map<string, Scale>();
  return (subject) => {
    const scale =
      known.get(subject) ??
      scaleFrom(
        loads.map((load) =>
          distancesOf(
            readings.filter((each) => each.load === load),
            subject,
          ),
        ),
      );
    known.set(subject, scale);
    return scale;
  };
}

/** The objective that is nearest to breaking, or broken the most surely. */
export function worstOf(standings: readonly Standing[]): Standing | undefined {
  const [first, ...others] = standings;
  return others.reduce((a, b) => (a && deviations(b) <= deviations(a) ? a : b), first);
}

function deviations({ distance, bound }: Standing): number {
  return distance / bound;
}

function standingOf(subject: string, distances: readonly Distance[], scale: Scale): Standing {
  const tame = withoutOutliers(distances, scale.factor);
  const weights = distances.map(({ noise }) => 1 / noise ** 2);
  const weight = weights.reduce((sum, each) => sum + each, 0);
  const sum = tame.reduce((total, each, index) => total + each * (weights[index] ?? 0), 0);
  const distance = sum / weight;
  const error = scale.factor / Math.sqrt(weight);
  const middle = distances.toSorted((a, b) => a.distance - b.distance)[distances.length >> 1];
  return {
    subject,
    distance,
    bound: studentQuantile(LOOK_ERROR, scale.degrees) * error,
    agreeing: distances.filter((each) => each.distance > 0 === distance > 0).length,
    words: middle?.words ?? "",
  };
}

function withoutOutliers(distances: readonly Distance[], factor: number): readonly number[] {
  const values = distances.map(({ distance }) => distance);
  if (values.length < 3) return values;
  const center = median(values);
  return distances.map(({ distance, noise }) => {
    const most = OUTLIER_DEVIATIONS * factor * noise;
    return Math.max(center - most, Math.min(center + most, distance));
  });
}

/** A moderated variance (Smyth 2004): the residuals of all loads, pooled with the prior. */
function scaleFrom(groups: readonly (readonly Distance[])[]): Scale {
  let squares = PRIOR_DEGREES;
  let degrees = PRIOR_DEGREES;
  for (const group of groups) {
    if (group.length < 2) continue;
    const center = median(group.map(({ distance }) => distance));
    if (Math.abs(center) > NEAR) continue;
    degrees += group.length - 1;
    for (const { distance, noise } of group) {
      squares += Math.min(OUTLIER_DEVIATIONS, Math.abs(distance - center) / noise) ** 2;
    }
  }
  return { factor: Math.sqrt(squares / degrees), degrees };
}

function distancesOf(readings: readonly Reading[], subject: string): readonly Distance[] {
  return readings.flatMap(({ distances }) => distances.filter((each) => each.subject === subject));
}
