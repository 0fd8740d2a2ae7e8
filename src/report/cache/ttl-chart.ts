/** Hit rate and stale reads by time to live: of the cache with memory unbounded, and of a shared cache at the edge. */
import type { CacheAdvice, TtlPoint } from "../../core/cache-advice.ts";
import { frame, plot } from "../charts/frame.ts";
import { boxAround, placeLabels, type LabelWish } from "../charts/labels.ts";
import { durationScale, shareScale, type Scale } from "../charts/scale.ts";
import { colours, element, line, marker, path } from "../charts/svg.ts";
import { countOf } from "../format.ts";
import type { CacheChart } from "./charts.ts";
import { formatCount, formatShare, formatTtl, nameOf } from "./words.ts";

interface Point {
  readonly ttlMs: number;
  readonly hitRate: number;
  readonly staleShare: number | undefined;
}

interface Drawing {
  readonly name: string;
  readonly title: string;
  readonly subtitle: string;
  readonly points: readonly Point[];
  readonly level: { readonly text: string; readonly rate: number } | undefined;
  readonly xLabel: string;
  readonly yLabel: string;
  readonly caption: string;
}

/** Of all keys together, else of the prefix that the advice names first. */
export function ttlChart({ ttl, trace, ceiling }: CacheAdvice): CacheChart | undefined {
  const prefix = ttl.some((point) => point.prefix === "") ? "" : ttl[0]?.prefix;
  if (prefix === undefined) return undefined;
  return drawn({
    name: "hit-rate-by-time-to-live",
    title: "Hit rate by time to live",
    subtitle: prefix === "" ? "All keys, memory unbounded" : `${nameOf(prefix)}, memory unbounded`,
    points: ttl.filter((point) => point.prefix === prefix).map(pointOf),
    level:
      prefix === ""
        ? { text: "if nothing expired", rate: ceiling.hitRateWithoutExpiry }
        : undefined,
    xLabel: "time to live, logarithmic",
    yLabel: "share of the gets (%)",
    caption: `counted on ${formatCount(trace.gets)} gets of the trace, not measured on a server.`,
  });
}

export function edgeChart({ http }: CacheAdvice): CacheChart | undefined {
  if (http === undefined) return undefined;
  return drawn({
    name: "edge-by-max-age",
    title: "Requests that a shared cache at the edge would answer",
    subtitle: "Had everything that may be shared been sent with this max-age",
    points: http.edge,
    level: { text: "as the headers are now", rate: http.edgeHitRateNow },
    xLabel: "max-age, logarithmic",
    yLabel: "share of the requests (%)",
    caption: `counted on ${formatCount(http.requests)} requests, not measured at an edge.`,
  });
}

function pointOf({ ttlMs, hitRate, staleShare }: TtlPoint): Point {
  return { ttlMs, hitRate, staleShare };
}

function drawn(drawing: Drawing): CacheChart | undefined {
  const points = drawing.points
    .filter(({ ttlMs, hitRate }) => ttlMs > 0 && Number.isFinite(ttlMs) && Number.isFinite(hitRate))
    .toSorted((a, b) => a.ttlMs - b.ttlMs);
  if (points.length < 2) return undefined;
  const hits = points.map(({ ttlMs, hitRate }) => ({ ttlMs, share: hitRate }));
  const stale = points.flatMap(({ ttlMs, staleShare: share }) =>
    share === undefined || !Number.isFinite(share) ? [] : [{ ttlMs, share }],
  );
  const level = Number.isFinite(drawing.level?.rate) ? drawing.level : undefined;
  const x = durationScale(
    points.map(({ ttlMs }) => ttlMs),
    [plot.left, plot.right],
    formatTtl,
  );
  const y = shareScale(
    [0, ...[...hits, ...stale].map(({ share }) => share), ...(level ? [level.rate] : [])],
    [plot.bottom, plot.top],
  );
  const { name, title, subtitle, xLabel, yLabel, caption } = drawing;
  return {
    name,
    title,
    alt: `${title}: ${points.map(({ ttlMs, hitRate, staleShare }) => `${formatTtl(ttlMs)} gives ${formatShare(hitRate)}${staleShare === undefined ? "" : `, ${formatShare(staleShare)} stale`}`).join("; ")}`,
    svg: frame({
      title,
      subtitle,
      caption: `n = ${countOf(points.length, "point")}, ${caption} ${stale.length === 0 ? "No writes were seen, so nothing is known of stale reads. " : "Stale: answered with what had changed meanwhile. "}${x.note ?? ""}`,
      alt: title,
      x: { label: xLabel, ticks: x.ticks, grid: true },
      y: { label: yLabel, ticks: y.ticks },
      legend: [
        { shape: "diamond", colour: colours.kept, text: "hit rate" },
        ...(stale.length === 0
          ? []
          : [{ shape: "circle" as const, colour: colours.candidate, text: "answered stale" }]),
        ...(level === undefined
          ? []
          : [
              {
                shape: "dashes" as const,
                colour: colours.faint,
                text: `${level.text}: ${formatShare(level.rate)}`,
              },
            ]),
      ],
      marks: [
        ...(level === undefined
          ? []
          : [
              line([plot.left, y.at(level.rate)], [plot.right, y.at(level.rate)], {
                stroke: colours.faint,
                "stroke-dasharray": "5 4",
                "stroke-width": 1.4,
              }),
            ]),
        ...curveOf(hits, "diamond", colours.kept, x, y),
        ...curveOf(stale, "circle", colours.candidate, x, y),
        ...valueLabels(hits, stale, x, y),
      ],
    }),
  };
}

interface Value {
  readonly ttlMs: number;
  readonly share: number;
}

function curveOf(
  values: readonly Value[],
  shape: "diamond" | "circle",
  colour: string,
  x: Scale,
  y: Scale,
): readonly string[] {
  if (values.length === 0) return [];
  const points = values.map(({ ttlMs, share }) => [x.at(ttlMs), y.at(share)] as const);
  return [
    element("path", { d: path(points), fill: "none", stroke: colour, "stroke-width": 1.8 }),
    ...points.map((point) => marker(shape, point, colour)),
  ];
}

/** Hit rates above their line, stale shares above theirs; where both are close, what finds no room is left to the table. */
function valueLabels(
  hits: readonly Value[],
  stale: readonly Value[],
  x: Scale,
  y: Scale,
): readonly string[] {
  const wish = ({ ttlMs, share }: Value, colour: string, sides: LabelWish["sides"]): LabelWish => ({
    at: [x.at(ttlMs), y.at(share)],
    text: formatShare(share),
    colour,
    sides,
  });
  const taken = [...hits, ...stale].map(({ ttlMs, share }) =>
    boxAround([x.at(ttlMs), y.at(share)], 5),
  );
  return placeLabels(
    [
      ...hits.map((value) =>
        wish(value, colours.kept, ["above", "above-left", "above-right", "below"]),
      ),
      ...stale.map((value) =>
        wish(value, colours.candidate, ["above", "above-left", "above-right"]),
      ),
    ],
    taken,
  ).marks;
}
