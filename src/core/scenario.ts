/** How the rate of arrivals changes over a window: flat, ramp, steps, spike or soak, all as straight pieces. */

/** From one rate to another in a straight line, in requests (or sessions) per second. */
export interface RateSegment {
  readonly lengthMs: number;
  readonly from: number;
  readonly to: number;
}

export type Scenario =
  | { readonly kind: "flat" | "soak"; readonly rate: number; readonly lengthMs: number }
  | { readonly kind: "ramp"; readonly from: number; readonly to: number; readonly lengthMs: number }
  /** `rates` one after another, each for its share of the length. */
  | { readonly kind: "steps"; readonly rates: readonly number[]; readonly lengthMs: number }
  /** `rate`, but `peak` in the middle third. */
  | {
      readonly kind: "spike";
      readonly rate: number;
      readonly peak: number;
      readonly lengthMs: number;
    };

export function segmentsOf(scenario: Scenario): readonly RateSegment[] {
  const { lengthMs } = scenario;
  const flat = (rate: number, share: number): RateSegment => ({
    lengthMs: lengthMs * share,
    from: rate,
    to: rate,
  });
  switch (scenario.kind) {
    case "flat":
    case "soak":
      return [flat(scenario.rate, 1)];
    case "ramp":
      return [{ lengthMs, from: scenario.from, to: scenario.to }];
    case "steps":
      return scenario.rates.map((rate) => flat(rate, 1 / scenario.rates.length));
    case "spike":
      return [flat(scenario.rate, 1 / 3), flat(scenario.peak, 1 / 3), flat(scenario.rate, 1 / 3)];
  }
}

/** Arrivals of all pieces over their time, per second. */
export function meanRate(segments: readonly RateSegment[]): number {
  const lengthMs = segments.reduce((sum, segment) => sum + segment.lengthMs, 0);
  const arrivals = segments.reduce(
    (sum, { lengthMs: length, from, to }) => sum + ((from + to) / 2) * length,
    0,
  );
  return arrivals / lengthMs;
}

/** What a window's warm-up is sent at: the rate at its start, or the mean of its first piece with arrivals when it starts from nothing. */
export function startingRate(segments: readonly RateSegment[]): number {
  const first = segments[0]?.from ?? 0;
  if (first > 0) return first;
  const piece = segments.find(({ lengthMs, from, to }) => lengthMs * (from + to) > 0);
  return piece ? (piece.from + piece.to) / 2 : 0;
}
