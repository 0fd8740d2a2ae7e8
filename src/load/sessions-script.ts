/** What each session asks for, drawn from the seed and the session's number: the same whatever the answers are, and however sessions interleave. */
import type {
  ParameterData,
  SessionStep,
  SessionTemplate,
  ThinkTime,
  WorkloadDefinition,
} from "../core/workload.ts";
import { drawables, sessionStream, streamOf, weightedIndex } from "./draw.ts";
import type { Draw, Drawable, Stream, Uniform } from "./draw.ts";
import type { Answer } from "./flights.ts";
import { filler, isExpected, weightsOf } from "./requests.ts";
import type { GeneratedRequest } from "./requests.ts";
import { captureReader } from "./sessions-captures.ts";
import { compileTemplate, namesIn } from "./template.ts";
import type { SessionValues } from "./template.ts";

/** One session, or one request of a mix. */
export interface Script {
  /** The number of the simulated client whose session it is. */
  readonly client: number;
  /** One request after another; to be asked for the next only when the last one's answer was accepted. */
  readonly turns: Iterator<Turn, void>;
  /** Its own random numbers, for what else is drawn for it. */
  readonly uniform: Uniform;
}

export interface Turn {
  /** To wait before it is due. */
  readonly thinkMs: number;
  readonly keepBody: boolean;
  /** Whether later turns need something of the answer. */
  readonly captures: boolean;
  readonly fill: () => GeneratedRequest;
  readonly isExpected: (status: number) => boolean;
  /** Takes from the answer what later turns need; false when it is not there. */
  readonly accept: (answer: Answer) => boolean;
}

interface CompiledStep extends Pick<SessionStep, "repeat" | "think"> {
  readonly keepBody: boolean;
  readonly captures: boolean;
  readonly fill: (values: SessionValues) => GeneratedRequest;
  readonly isExpected: (status: number) => boolean;
  readonly accept: (answer: Answer, values: Values) => boolean;
}

interface CompiledSession {
  readonly steps: readonly CompiledStep[];
  /** Draws what several of its steps share. */
  readonly draw: () => readonly Draw[];
}

type Values = SessionValues & { readonly captured: (string | number | boolean | null)[] };

/** Returns what opens the session of a number. Throws bad-input for a workload that cannot be filled. */
export function scripts(
  workload: WorkloadDefinition,
  data: ParameterData,
  seed: number,
): (number: number) => Script {
  // Templates are compiled once, sessions draw in turns: each from a stream of its own, which takes the place of the last one's.
  let current = streamOf(seed);
  const stream: Stream = {
    uniform: () => current.uniform(),
    uniqueText: (prefix) => current.uniqueText(prefix),
  };
  const parameters = drawables(workload.parameters, data, stream);
  const templates = sessionsOf(workload);
  const sessions = compileSessions(templates, parameters);
  const choose = weightedIndex(weightsOf(workload.name, templates), stream.uniform);
  return (number) => {
    const own = sessionStream(seed, number);
    const turnTo = (): void => {
      current = own;
    };
    turnTo();
    const session = sessions[choose()];
    if (!session) throw new Error("the mix chose a session that does not exist");
    return { client: number, turns: turnsOf(session, own.uniform, turnTo), uniform: own.uniform };
  };
}

/** Milliseconds. */
export function drawThink(think: ThinkTime | undefined, uniform: Uniform): number {
  if (think === undefined) return 0;
  switch (think.kind) {
    case "fixed":
      return think.ms;
    case "uniform":
      return think.minMs + uniform() * (think.maxMs - think.minMs);
    case "exponential":
      return -Math.log(1 - uniform()) * think.meanMs;
  }
}

/** A request of a mix is a session of one step. */
function sessionsOf({ requests, sessions }: WorkloadDefinition): readonly SessionTemplate[] {
  if (sessions !== undefined && sessions.length > 0) return sessions;
  return requests.map((request) => ({
    name: request.name,
    weight: request.weight,
    steps: [{ request, repeat: 1, captures: [] }],
  }));
}

function compileSessions(
  templates: readonly SessionTemplate[],
  parameters: ReadonlyMap<string, Drawable>,
): readonly CompiledSession[] {
  let endpoint = 0;
  return templates.map(({ steps }) => {
    const shared = sharedBy(steps, parameters);
    const captures = new Map<string, number>();
    return {
      draw: () => shared.map(({ draw }) => draw()),
      steps: steps.map((step): CompiledStep => {
        const { request, repeat, think } = step;
        const scope = { shared: shared.map(({ name }) => name), captures: new Map(captures) };
        const fill = filler(request, endpoint, compileTemplate(request, parameters, scope));
        for (const { name } of step.captures) {
          if (!captures.has(name)) captures.set(name, captures.size);
        }
        const reader = captureReader(step.captures, captures);
        endpoint += 1;
        return {
          repeat,
          fill,
          keepBody: reader.needsBody,
          captures: step.captures.length > 0,
          isExpected: (status) => isExpected(request, status),
          accept: (answer, values) => reader.read(answer, values.captured),
          ...(think ? { think } : {}),
        };
      }),
    };
  });
}

/**
 * Parameters that more than one step names are drawn once for the session: the same user, the same model. What a single step names is
 * drawn for each of its repetitions.
 */
function sharedBy(
  steps: readonly SessionStep[],
  parameters: ReadonlyMap<string, Drawable>,
): readonly Drawable[] {
  const names = steps.map(({ request }) => namesIn(request));
  return [...parameters.values()].filter(
    ({ name }) => names.filter((each) => each.has(name)).length > 1,
  );
}

/** `turnTo` makes the session's stream the one that is drawn from; others may have drawn since. */
function* turnsOf(
  session: CompiledSession,
  uniform: Uniform,
  turnTo: () => void,
): Generator<Turn, void> {
  turnTo();
  const values: Values = { draws: session.draw(), captured: [] };
  for (const step of session.steps) {
    const { repeat, think, keepBody, captures, fill, isExpected: expects, accept } = step;
    for (let time = 0; time < repeat; time += 1) {
      yield {
        thinkMs: drawThink(think, uniform),
        keepBody,
        captures,
        isExpected: expects,
        fill: () => {
          turnTo();
          return fill(values);
        },
        accept: (answer) => accept(answer, values),
      };
    }
  }
}
