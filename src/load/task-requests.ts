/** The requests of tasks, made before their clocks start: the same seed gives the same, whichever tasks are done and whatever answers. */
import { PerfoptError } from "../core/errors.ts";
import type { ParameterData, TaskTemplate, WorkloadDefinition } from "../core/workload.ts";
import { drawables, taskStream } from "./draw.ts";
import { filler } from "./requests.ts";
import { compileLine, compileTemplate, csvField } from "./template.ts";

/** So many lines are one piece of a body: large enough to cost nothing, small enough never to be one long text. */
const LINES_OF_PIECE = 1_000;

const CONTENT_TYPES = { ndjson: "application/x-ndjson", csv: "text/csv" } as const;

export interface TaskRequest {
  readonly method: TaskTemplate["request"]["method"];
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** In pieces; undefined when the request has no body. */
  readonly body: readonly Buffer[] | undefined;
}

/** Those that were asked for, in the workload's order; none when nothing was asked for. Throws bad-input for an unknown name. */
export function chosenTasks(
  workload: WorkloadDefinition,
  asked: "all" | readonly string[] | undefined,
): readonly TaskTemplate[] {
  const all = workload.tasks ?? [];
  if (asked === undefined) return [];
  if (asked === "all") return all;
  const known = all.map(({ name }) => name);
  const unknown = asked.filter((name) => !known.includes(name));
  if (unknown.length > 0) {
    throw new PerfoptError(
      "bad-input",
      `workload "${workload.name}" has no task ${unknown.join(", ")}`,
      known.length === 0
        ? "define tasks in the target file's workload"
        : `use some of ${known.join(", ")}`,
    );
  }
  return all.filter(({ name }) => asked.includes(name));
}

/** An endless sequence of one task's requests. Throws bad-input for one that cannot be filled. */
export function taskRequests(
  workload: WorkloadDefinition,
  task: TaskTemplate,
  data: ParameterData,
  seed: number,
): () => TaskRequest {
  const position = (workload.tasks ?? []).findIndex(({ name }) => name === task.name);
  const parameters = drawables(workload.parameters, data, taskStream(seed, position));
  const fill = filler(task.request, 0, compileTemplate(task.request, parameters));
  const { lines } = task;
  if (!lines) {
    return () => {
      const { method, path, headers, body } = fill();
      return { method, path, headers, body: body === undefined ? undefined : [Buffer.from(body)] };
    };
  }
  const lineAt = compileLine(task.name, lines, parameters);
  const contentType = CONTENT_TYPES[lines.format];
  return () => {
    const { method, path, headers } = fill();
    const named = Object.keys(headers).some((name) => name.toLowerCase() === "content-type");
    return {
      method,
      path,
      headers: named ? headers : { ...headers, "content-type": contentType },
      body: linesBody(lines, lineAt),
    };
  };
}

function linesBody(
  { format, count, item }: NonNullable<TaskTemplate["lines"]>,
  lineAt: (index: number) => string,
): readonly Buffer[] {
  const pieces: Buffer[] = [];
  if (format === "csv") {
    pieces.push(Buffer.from(`${Object.keys(item).map(csvField).join(",")}\n`));
  }
  for (let from = 0; from < count; from += LINES_OF_PIECE) {
    const length = Math.min(LINES_OF_PIECE, count - from);
    const lines = Array.from({ length }, (_, index) => lineAt(from + index));
    pieces.push(Buffer.from(`${lines.join("\n")}\n`));
  }
  return pieces;
}
