/** Labels inside a chart, put where they cover neither each other nor a mark; what finds no room is left out. */
import { plot } from "./frame.ts";
import { colours, label, line, textWidth } from "./svg.ts";

type Point = readonly [number, number];

export interface LabelWish {
  readonly at: Point;
  readonly text: string;
  readonly colour?: string;
  readonly bold?: boolean;
  /** Sides of the point, the best first. */
  readonly sides: readonly Side[];
  /** How many lines of text it may stand away from its point, with a thin line between; 0 when left out. */
  readonly stepsAway?: number;
}

export type Side =
  | "above"
  | "below"
  | "left"
  | "right"
  | "above-right"
  | "below-right"
  | "above-left"
  | "below-left";

export interface Box {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

export interface PlacedLabels {
  readonly marks: readonly string[];
  /** How many found no room. */
  readonly hidden: number;
}

const SIZE = 13;
const GAP = 9;
/** Letters of the widest common font against the estimate, for here a text that is wider than thought covers something. */
const WIDTH_PLAIN = 1.1;
const WIDTH_BOLD = 1.25;

const STEP = 18;

/** The first wishes come first. `taken`: where marks and lines are. */
export function placeLabels(wishes: readonly LabelWish[], taken: readonly Box[]): PlacedLabels {
  /** Texts, and the lines that lead to them: neither may cross another. */
  const written: Box[] = [];
  const marks: string[] = [];
  let hidden = 0;
  for (const wish of wishes) {
    const place = placesOf(wish).find(
      ({ box, leader }) =>
        isInside(box) &&
        ![...taken, ...written].some((other) => overlap(box, other)) &&
        !boxesAlong(leader).some((each) => written.some((other) => overlap(each, other))),
    );
    if (!place) {
      hidden += 1;
      continue;
    }
    written.push(place.box, ...boxesAlong(place.leader));
    const [from, to] = place.leader;
    if (from && to) marks.push(line(from, to, { stroke: colours.text, "stroke-width": 0.8 }));
    marks.push(textOf(wish, place));
  }
  return { marks, hidden };
}

/** Near ones first. */
function placesOf(wish: LabelWish): readonly Place[] {
  return Array.from({ length: (wish.stepsAway ?? 0) + 1 }, (_, step) =>
    wish.sides.map((side) => placeOf(wish, side, step)),
  ).flat();
}

function textOf(wish: LabelWish, { x, y, anchor }: Place): string {
  return label(x, y, wish.text, {
    "text-anchor": anchor,
    fill: wish.colour ?? colours.text,
    "font-weight": wish.bold === true ? 600 : undefined,
    // A rim of background, for lines may run behind the letters.
    stroke: colours.background,
    "stroke-width": 3,
    "stroke-linejoin": "round",
    "paint-order": "stroke",
  });
}

/** What a line of marks covers: small boxes along it, close enough that no label slips through. */
export function boxesAlong(points: readonly Point[]): readonly Box[] {
  return points.flatMap((point, index) => {
    const next = points[index + 1];
    if (next === undefined) return [boxAround(point, 2)];
    const length = Math.hypot(next[0] - point[0], next[1] - point[1]);
    const count = Math.max(1, Math.ceil(length / 6));
    return Array.from({ length: count }, (_, part) => {
      const share = part / count;
      return boxAround(
        [point[0] + share * (next[0] - point[0]), point[1] + share * (next[1] - point[1])],
        2,
      );
    });
  });
}

/** What a marker covers. */
export function boxAround([x, y]: Point, radius = 6): Box {
  return { left: x - radius, right: x + radius, top: y - radius, bottom: y + radius };
}

interface Place {
  readonly x: number;
  readonly y: number;
  readonly anchor: "start" | "middle" | "end";
  readonly box: Box;
  /** From the point to a text that stands away from it; nothing beside one that does not. */
  readonly leader: readonly Point[];
}

function placeOf({ at: [x, y], text, bold }: LabelWish, side: Side, step: number): Place {
  const long = textWidth(text, SIZE) * (bold === true ? WIDTH_BOLD : WIDTH_PLAIN);
  const anchor = side.endsWith("right") ? "start" : side.endsWith("left") ? "end" : "middle";
  const beside = side === "left" || side === "right";
  const textX = anchor === "start" ? x + GAP : anchor === "end" ? x - GAP : x;
  const away = step * STEP;
  const textY = beside ? y + 4.5 : side.startsWith("above") ? y - GAP - away : y + GAP + 10 + away;
  const left = anchor === "start" ? textX : anchor === "end" ? textX - long : textX - long / 2;
  const box = { left, right: left + long, top: textY - SIZE + 2, bottom: textY + 3 };
  return { x: textX, y: textY, anchor, box, leader: step === 0 ? [] : leaderTo(box, [x, y]) };
}

function leaderTo({ left, right, top, bottom }: Box, at: Point): readonly Point[] {
  return [at, [Math.min(right, Math.max(left, at[0])), at[1] < top ? top : bottom]];
}

function isInside({ left, right, top, bottom }: Box): boolean {
  return left >= plot.left && right <= plot.right && top >= plot.top - 4 && bottom <= plot.bottom;
}

function overlap(one: Box, other: Box): boolean {
  return (
    one.left < other.right &&
    other.left < one.right &&
    one.top < other.bottom &&
    other.top < one.bottom
  );
}
