/** The settings that no other beats in everything: memory against hit rate, each with its bounds and its share of stale reads. */
import type { CacheAdvice, CacheChoice } from "../../core/cache-advice.ts";
import { frame, plot, type LegendItem } from "../charts/frame.ts";
import { boxAround, placeLabels, type LabelWish } from "../charts/labels.ts";
import { bytesScale, shareScale, type Scale } from "../charts/scale.ts";
import { colours, line, marker, seriesColours } from "../charts/svg.ts";
import { countOf } from "../format.ts";
import type { CacheChart } from "./charts.ts";
import { comparedSettings } from "./settings.ts";
import { choiceInWords, formatBounded, formatCount, formatShare } from "./words.ts";

interface Point {
  readonly choice: CacheChoice;
  readonly role: "recommended" | "now" | "other";
}

/** Undefined with fewer than two settings. */
export function paretoChart(advice: CacheAdvice): CacheChart | undefined {
  const points = pointsOf(advice);
  if (points.length < 2) return undefined;
  const x = bytesScale(
    points.map(({ choice }) => choice.maxmemoryBytes),
    [plot.left, plot.right],
  );
  const y = shareScale(
    points.flatMap(({ choice: { hitRate, low, high } }) =>
      [hitRate, low, high].filter((rate) => rate >= 0 && rate <= 1),
    ),
    [plot.bottom, plot.top],
  );
  const place = ({ choice }: Point) => [x.at(choice.maxmemoryBytes), y.at(choice.hitRate)] as const;
  const labels = placeLabels(
    points
      .filter(({ choice, role }) => choice.staleShare !== undefined || role !== "other")
      .toSorted(byRoom)
      .map((point) => ({
        at: place(point),
        text: labelOf(point),
        bold: point.role !== "other",
        sides: (point.role === "other"
          ? ["below-right", "right", "above-left", "left", "below", "above"]
          : ["below-right", "below", "below-left"]) satisfies LabelWish["sides"],
        stepsAway: point.role === "other" ? 0 : 8,
      })),
    points.map((point) => boxAround(place(point), 5)),
  );
  const title = "Memory against hit rate";
  const policies = [...new Set(points.map(({ choice }) => choice.policy))];
  const colourOf = ({ choice }: Point) =>
    seriesColours[policies.indexOf(choice.policy) % seriesColours.length] ?? colours.faint;
  return {
    name: "memory-against-hit-rate",
    title,
    alt: `${title}: ${points.map(({ choice, role }) => `${role === "other" ? "" : `${role}, `}${choiceInWords(choice)} at ${formatBounded(choice)}`).join("; ")}`,
    svg: frame({
      title,
      subtitle: "Settings that no other beats in memory, hit rate, stale reads and loads at once",
      caption: captionOf(advice, points, labels.hidden, y),
      alt: title,
      x: { label: "memory, logarithmic", ticks: x.ticks, grid: true },
      y: { label: "hit rate (% of gets)", ticks: y.ticks },
      legend: legendOf(points, policies),
      marks: [
        ...points.flatMap(({ choice }) => barOf(choice, x, y)),
        ...points.map((point) =>
          marker(
            point.role === "recommended" ? "diamond" : "circle",
            place(point),
            colourOf(point),
            point.role === "now",
          ),
        ),
        ...labels.marks,
      ],
    }),
  };
}

/** Those that matter first, and of these the rightmost, which has the least room beside it. */
function byRoom(one: Point, other: Point): number {
  const rank = ({ role }: Point) => (role === "other" ? 1 : 0);
  return rank(one) - rank(other) || other.choice.maxmemoryBytes - one.choice.maxmemoryBytes;
}

/** A cache without a limit of memory has no place on the axis. */
function pointsOf(advice: CacheAdvice): readonly Point[] {
  return comparedSettings(advice)
    .filter(({ choice }) => choice.maxmemoryBytes > 0 && Number.isFinite(choice.hitRate))
    .map(({ choice, recommended, now }) => ({
      choice,
      role: recommended ? "recommended" : now ? "now" : "other",
    }));
}

function labelOf({ choice, role }: Point): string {
  const stale = choice.staleShare === undefined ? undefined : formatShare(choice.staleShare);
  if (role === "other") return stale ?? "";
  return stale === undefined ? role : `${role}, ${stale}`;
}

/** With caps, so that bounds are seen that hardly reach beyond their mark. */
function barOf(
  { maxmemoryBytes, hitRate, low, high }: CacheChoice,
  x: Scale,
  y: Scale,
): readonly string[] {
  const from = y.at(Number.isFinite(low) ? Math.max(0, low) : hitRate);
  const to = y.at(Number.isFinite(high) ? Math.min(1, high) : hitRate);
  const place = x.at(maxmemoryBytes);
  const paint = { stroke: colours.faint, "stroke-width": 1.4 };
  return [
    line([place, from], [place, to], paint),
    ...[from, to].map((end) => line([place - 6, end], [place + 6, end], paint)),
  ];
}

function legendOf(
  points: readonly Point[],
  policies: readonly CacheChoice["policy"][],
): readonly LegendItem[] {
  const marks: readonly LegendItem[] = [
    { shape: "diamond", colour: colours.text, text: "recommended" },
    { shape: "circle", colour: colours.text, hollow: true, text: "now" },
  ];
  return [
    ...policies.map((policy, index) => ({
      shape: "circle" as const,
      colour: seriesColours[index % seriesColours.length] ?? colours.faint,
      text: policy,
    })),
    ...marks.filter(({ text }) => points.some(({ role }) => role === text)),
  ];
}

function captionOf(
  { trace }: CacheAdvice,
  points: readonly Point[],
  hidden: number,
  y: Scale,
): string {
  const stale = points.some(({ choice }) => choice.staleShare !== undefined);
  return [
    `n = ${countOf(points.length, "setting")}, predicted by simulating ${formatCount(trace.gets)} gets, not measured. Bars: bounds of the prediction.`,
    stale
      ? "Numbers beside the marks: gets answered with what had changed meanwhile."
      : "The trace shows no writes, so nothing is known of stale reads.",
    hidden > 0 ? `${countOf(hidden, "label")} left out where there was no room.` : "",
    "The horizontal axis is logarithmic.",
    y.note ?? "",
  ]
    .filter((each) => each !== "")
    .join(" ");
}
