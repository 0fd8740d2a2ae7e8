/** The entry: journal lines in, the report's text and its charts out. Pure. */
import type { Entry } from "../core/event.ts";
import { drawCharts } from "./charts.ts";
import { renderMarkdown, type MarkdownOptions } from "./markdown.ts";
import { summarise } from "./summary.ts";

export interface Report {
  readonly markdown: string;
  /** To be written beside the report, under these names. */
  readonly charts: readonly { readonly file: string; readonly svg: string }[];
}

/** Throws bad-input when the entries hold no run. */
export function renderReport(
  entries: readonly Entry[],
  options: Omit<MarkdownOptions, "charts">,
): Report {
  const summary = summarise(entries);
  const charts = drawCharts(summary);
  return {
    markdown: renderMarkdown(summary, { ...options, charts }),
    charts: charts.map(({ file, svg }) => ({ file, svg })),
  };
}
