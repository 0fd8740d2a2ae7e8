/** What surrounds every chart: title, subtitle, legend, axes with units, and a caption that says how much data it shows. */
import { redactSecrets } from "../../core/errors.ts";
import type { Tick } from "./scale.ts";
import { colours, element, label, line, marker, textWidth, wrap, type MarkerShape } from "./svg.ts";

export interface Chart {
  /** Beside the report. */
  readonly file: string;
  readonly title: string;
  readonly alt: string;
  readonly svg: string;
}

export interface LegendItem {
  readonly shape: MarkerShape | "dashes" | "line";
  readonly colour: string;
  /** Of dashes: their stroke-dasharray; of them and of a line, the width. */
  readonly dash?: string;
  readonly width?: number;
  readonly hollow?: boolean;
  readonly text: string;
}

export interface FrameOptions {
  readonly title: string;
  readonly subtitle: string;
  readonly caption: string;
  readonly alt: string;
  readonly x: { readonly label: string; readonly ticks: readonly Tick[]; readonly grid: boolean };
  readonly y: { readonly label: string; readonly ticks: readonly Tick[] };
  readonly legend: readonly LegendItem[];
  /** Drawn over the grid, in this order. */
  readonly marks: readonly string[];
}

const WIDTH = 800;
const MARGIN = 24;
const TITLE_SIZE = 18;
/** Bold letters are wider by about this factor. */
const BOLD_WIDTH = 1.1;
const TEXT_SIZE = 14;
const CAPTION_SIZE = 13;

/** The area that marks are drawn in. */
export const plot = { left: 84, right: 772, top: 116, bottom: 372 } as const;

export function frame(options: FrameOptions): string {
  const caption = wrap(options.caption, WIDTH - 2 * MARGIN, CAPTION_SIZE);
  const height = plot.bottom + 68 + caption.length * 18;
  return redactSecrets(
    element(
      "svg",
      {
        xmlns: "http://www.w3.org/2000/svg",
        width: WIDTH,
        height,
        viewBox: `0 0 ${WIDTH} ${height}`,
        role: "img",
        "aria-label": options.alt,
        "font-family":
          "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', Helvetica, Arial, sans-serif",
      },
      // A rectangle of its own, for GitHub shows charts on a dark page too.
      element("rect", {
        x: 0.5,
        y: 0.5,
        width: WIDTH - 1,
        height: height - 1,
        rx: 6,
        fill: colours.background,
        stroke: colours.grid,
      }),
      ...heading(options),
      ...legendOf(options.legend),
      ...yAxis(options.y),
      ...xAxis(options.x),
      ...options.marks,
      ...caption.map((text, index) =>
        label(MARGIN, plot.bottom + 74 + index * 18, text, {
          "font-size": CAPTION_SIZE,
          fill: colours.faint,
        }),
      ),
    ),
  ).concat("\n");
}

function heading({ title, subtitle }: FrameOptions): readonly string[] {
  return [
    label(MARGIN, 36, firstLine(title, TITLE_SIZE * BOLD_WIDTH), {
      "font-size": TITLE_SIZE,
      "font-weight": 600,
    }),
    label(MARGIN, 60, firstLine(subtitle, TEXT_SIZE), {
      "font-size": TEXT_SIZE,
      fill: colours.faint,
    }),
  ];
}

function firstLine(content: string, size: number): string {
  const [first = "", ...rest] = wrap(content, WIDTH - 2 * MARGIN - size, size);
  return rest.length > 0 ? `${first} …` : first;
}

const LEGEND_LINE = 20;

/** One line where that is enough, else two, closer to the subtitle. */
function legendOf(items: readonly LegendItem[]): readonly string[] {
  const rows = legendRows(items);
  const top = rows.length === 1 ? 86 : 80;
  return rows.flatMap((row, index) =>
    row.flatMap(({ item, x }) => {
      const y = top + index * LEGEND_LINE;
      return [symbolOf(item, x, y), label(x + 14, y + 5, item.text, { "font-size": TEXT_SIZE })];
    }),
  );
}

interface PlacedItem {
  readonly item: LegendItem;
  readonly x: number;
}

function legendRows(items: readonly LegendItem[]): readonly (readonly PlacedItem[])[] {
  const rows: PlacedItem[][] = [[]];
  let x: number = MARGIN + 8;
  for (const item of items) {
    const long = textWidth(item.text, TEXT_SIZE);
    if (x + 14 + long > WIDTH - MARGIN && rows.at(-1)?.length !== 0) {
      rows.push([]);
      x = MARGIN + 8;
    }
    rows.at(-1)?.push({ item, x });
    x += 44 + long;
  }
  return rows;
}

function symbolOf(item: LegendItem, x: number, y: number): string {
  const { shape, colour, hollow, dash, width = 2 } = item;
  if (shape === "dashes" || shape === "line")
    return line([x - 8, y], [x + 8, y], {
      stroke: colour,
      "stroke-width": width,
      "stroke-dasharray": shape === "dashes" ? (dash ?? "5 4") : undefined,
    });
  return marker(shape, [x, y], colour, hollow ?? false);
}

function yAxis({ label: title, ticks }: FrameOptions["y"]): readonly string[] {
  const middle = (plot.top + plot.bottom) / 2;
  return [
    ...ticks.flatMap((tick) => [
      line([plot.left, tick.position], [plot.right, tick.position], { stroke: colours.grid }),
      label(plot.left - 8, tick.position + 4.5, tick.label, { "text-anchor": "end" }),
    ]),
    label(0, 0, title, {
      "font-size": TEXT_SIZE,
      "text-anchor": "middle",
      transform: `translate(22 ${middle}) rotate(-90)`,
    }),
  ];
}

function xAxis({ label: title, ticks, grid }: FrameOptions["x"]): readonly string[] {
  return [
    line([plot.left, plot.bottom], [plot.right, plot.bottom], { stroke: colours.faint }),
    ...ticks.flatMap((tick) => [
      line([tick.position, grid ? plot.top : plot.bottom], [tick.position, plot.bottom + 5], {
        stroke: grid ? colours.grid : colours.faint,
      }),
      label(tick.position, plot.bottom + 21, tick.label, { "text-anchor": "middle" }),
    ]),
    label((plot.left + plot.right) / 2, plot.bottom + 46, title, {
      "font-size": TEXT_SIZE,
      "text-anchor": "middle",
    }),
  ];
}
