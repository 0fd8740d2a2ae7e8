/** The schema of workloads: parameters, and the requests, sessions and tasks whose placeholders they fill. */
import { z } from "zod";
import type { Parameter, WorkloadDefinition } from "../core/workload.ts";
import * as field from "./fields.ts";
import { parameter } from "./parameter-schema.ts";
import { checkPlaceholders, type Captured } from "./placeholders.ts";
import { request, toTemplate, type RequestInput } from "./request-schema.ts";
import { session, toSession, type SessionInput } from "./session-schema.ts";
import { task, toTask, type TaskInput } from "./task-schema.ts";

/** A map from name to workload becomes the list of workloads, in the file's order. `folder`: where the file lies. */
export function workloads(folder: string) {
  return z
    .record(field.name(), workload(folder))
    .refine((byName) => Object.keys(byName).length > 0, { error: "expected at least one workload" })
    .transform((byName): readonly WorkloadDefinition[] =>
      Object.entries(byName).map(([name, each]) => ({ name, ...each })),
    );
}

function workload(folder: string) {
  return z
    .strictObject({
      parameters: z
        .record(field.key(), parameter(folder))
        .default({})
        .transform((byName): readonly Parameter[] =>
          Object.entries(byName).map(([name, each]) => ({ name, ...each })),
        )
        .describe(
          "What fills the placeholders ${name.column} of the requests. A request draws each once; a session those that several of its steps name.",
        ),
      requests: z
        .array(request())
        .min(1)
        .exactOptional()
        .describe("The mix of requests, each sent independently of the others."),
      sessions: z
        .array(session())
        .min(1)
        .exactOptional()
        .describe("In place of requests: what a user does from beginning to end, step by step."),
      tasks: z
        .array(task())
        .min(1)
        .exactOptional()
        .describe(
          "Bulk work beside the requests: one client does these in order, round and round, from a window's start to its end.",
        ),
      revalidate: z
        .number()
        .min(0)
        .max(1)
        .exactOptional()
        .describe(
          "The share of the simulated clients, 0 to 1, that keep ETag and Last-Modified of what they got, as browsers do: they repeat a GET with If-None-Match or If-Modified-Since, always, and 304 is a success. 0 when absent.",
        ),
      cookies: z
        .boolean()
        .exactOptional()
        .describe(
          "Whether the simulated clients keep the cookies that they are set and send them back: each user, each session; independent requests take turns as 256 clients. A balancer's sticky sessions show only to such clients. false when absent.",
        ),
    })
    .transform(field.checked(checkWorkload))
    .transform(({ parameters, requests = [], sessions, tasks, revalidate, cookies }) => ({
      parameters,
      requests: requests.map((each) => toTemplate(each, each.weight)),
      ...(sessions && { sessions: sessions.map(toSession) }),
      ...(tasks && { tasks: tasks.map(toTask) }),
      ...(revalidate !== undefined && { revalidate }),
      ...(cookies === true && { cookies }),
    }));
}

/** What placeholders mean already: `${index}` within a `$repeat`, `${env:NAME}`. */
const RESERVED = ["index", "env"];

interface WorkloadInput {
  readonly parameters: readonly Parameter[];
  readonly requests?: readonly RequestInput[];
  readonly sessions?: readonly SessionInput[];
  readonly tasks?: readonly TaskInput[];
}

type Report = (path: readonly PropertyKey[], message: string, at?: "key") => void;

function checkWorkload(input: WorkloadInput, context: z.RefinementCtx): void {
  const report: Report = (path, message, at) => {
    context.addIssue({
      code: "custom",
      path: [...path],
      message,
      ...(at && { params: { at } }),
    });
  };
  const { parameters, requests = [], sessions = [], tasks = [] } = input;
  // A mix and sessions would need two rates.
  if (requests.length > 0 === sessions.length > 0) {
    const found = requests.length > 0 ? "both" : "neither";
    report([], `expected one of requests and sessions, found ${found}`);
  }
  for (const { name } of parameters) {
    if (RESERVED.includes(name)) report(["parameters", name], takenName(name, "placeholders use"));
  }
  const steps = sessions.flatMap((each, index) =>
    each.steps.map((step, position) => ({
      request: step,
      path: ["sessions", index, "steps", position],
    })),
  );
  const all = [
    ...requests.map((each, index) => ({ request: each, path: ["requests", index] })),
    ...steps,
  ];
  reportTwins(all, report);
  reportTwins(
    sessions.map((each, index) => ({ request: each, path: ["sessions", index] })),
    report,
  );
  requests.forEach((each, index) => {
    checkRequest(each, ["requests", index], parameters, [], report);
  });
  sessions.forEach((each, index) => {
    checkSession(each, ["sessions", index, "steps"], parameters, report);
  });
  reportTwins(
    tasks.map((each, index) => ({ request: each, path: ["tasks", index] })),
    report,
  );
  tasks.forEach((each, index) => {
    checkRequest(each, ["tasks", index], parameters, [], report);
    checkPlaceholders(
      each.lines?.item,
      { parameters, captured: [], repeated: true },
      (inside, message) => {
        report(["tasks", index, "lines", "item", ...inside], message);
      },
    );
  });
}

/** Results list endpoints by name. */
function reportTwins(
  all: readonly {
    readonly request: { readonly name: string };
    readonly path: readonly PropertyKey[];
  }[],
  report: Report,
): void {
  all.forEach(({ request: { name }, path }, index) => {
    if (all.findIndex((each) => each.request.name === name) === index) return;
    report([...path, "name"], `expected a name of its own, found "${name}" again`);
  });
}

function checkSession(
  { steps }: SessionInput,
  path: readonly PropertyKey[],
  parameters: readonly Parameter[],
  report: Report,
): void {
  const captured = steps.flatMap(({ capture }, step) =>
    capture.map(({ name }) => ({ name, step, by: steps[step]?.name ?? "" })),
  );
  for (const { name, step } of captured) {
    const at = [...path, step, "capture", name];
    if (RESERVED.includes(name)) report(at, takenName(name, "placeholders use"), "key");
    if (parameters.some((each) => each.name === name)) {
      report(at, takenName(name, "a parameter has"), "key");
    }
  }
  steps.forEach((each, step) => {
    const known = captured.map(({ name, by, ...rest }): Captured => ({
      name,
      by,
      before: rest.step < step,
    }));
    checkRequest(each, [...path, step], parameters, known, report);
  });
}

function takenName(name: string, by: string): string {
  return `expected another name, found "${name}", which ${by} already`;
}

function checkRequest(
  each: Pick<RequestInput, "path" | "query" | "headers" | "body">,
  path: readonly PropertyKey[],
  parameters: readonly Parameter[],
  captured: readonly Captured[],
  report: Report,
): void {
  for (const part of ["path", "query", "headers", "body"] as const) {
    checkPlaceholders(each[part], { parameters, captured }, (inside, message) => {
      report([...path, part, ...inside], message);
    });
  }
}
