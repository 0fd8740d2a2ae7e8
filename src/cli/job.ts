/** What the command line asks for, as jobs: a persona, its target, its scale, seed and budget. */
import { join, resolve } from "node:path";
import { PerfoptError } from "../core/errors.ts";
import type { Persona } from "../core/persona.ts";
import type { Plan } from "../core/plan.ts";
import type { TargetFile } from "../core/target-file.ts";
import { formatDuration, parseDuration } from "../core/units.ts";
import { endpointsOf } from "../core/workload.ts";
import { planRun, USUAL_PAIRS } from "../plan.ts";
import { listPersonas } from "../profiles/persona.ts";
import { loadTarget } from "../profiles/target.ts";
import { tunerOf } from "../tuners/index.ts";
import type { Context } from "./context.ts";
import { personaOf, runnableStrategies } from "./personas.ts";
import { planTable } from "./words.ts";

export interface RunOptions {
  readonly persona: readonly string[];
  readonly target?: string;
  readonly phases?: string;
  readonly scale?: string;
  readonly seed: string;
  readonly budget?: string;
  readonly output: string;
  readonly dryRun?: boolean;
  readonly quick?: boolean;
  readonly yes?: boolean;
  readonly busyMachine?: boolean;
  readonly json?: boolean;
}

/** One persona, ready to run. */
export interface Job {
  readonly persona: Persona;
  readonly target: TargetFile;
  readonly scale: string | undefined;
  readonly seed: number;
  readonly phases: readonly string[] | undefined;
  readonly budgetMs: number;
  readonly quick: boolean;
  readonly busyMachine: boolean;
  readonly outputDirectory: string;
}

/** `--quick`: shorter windows, fewer pairs and one candidate a phase; sees only large effects, and the report says so. */
const QUICK = {
  windowMs: 2_000,
  warmupMs: 600,
  pairsMax: 7,
  candidatesMax: 1,
  totalMs: 260_000,
} as const;
/** Windows go on until their tasks are done, however short they were asked for: in less time no candidate would have its turn. */
const QUICK_WITH_TASKS_MS = 480_000;

/** Throws bad-input for anything that cannot run as it is asked for. */
export async function jobsOf(context: Context, options: RunOptions): Promise<readonly Job[]> {
  const targetPath = options.target
    ? resolve(context.directory, options.target)
    : join(context.profilesDirectory, "targets", "model-registry.yaml");
  const target = await loadTarget(targetPath, { env: context.env });
  const all = await personasOf(context, options.persona);
  const runnable = all.filter((persona) => runnableStrategies(persona).length > 0);
  for (const persona of all.filter((each) => !runnable.includes(each))) {
    const message = `none of ${persona.title}'s strategies runs in this version of perfopt`;
    if (runnable.length === 0) {
      throw new PerfoptError("bad-input", message, "`perfopt personas list` shows what runs");
    }
    context.err(`${context.style.warn("left out:")} ${message}\n`);
  }
  return runnable.map((persona) =>
    jobOf(context, options, quickened(persona, options, target), target),
  );
}

async function personasOf(context: Context, names: readonly string[]): Promise<readonly Persona[]> {
  if (!names.includes("all")) return Promise.all(names.map((name) => personaOf(context, name)));
  // The founding order of the three; a persona file that was added comes after them.
  const founding = ["speed-runner", "multi-tasker", "data-analyst"];
  const files = await listPersonas(context.profilesDirectory);
  const added = files.map((file) => file.name).filter((name) => !founding.includes(name));
  return Promise.all([...founding, ...added].map((name) => personaOf(context, name)));
}

function quickened(persona: Persona, options: RunOptions, target: TargetFile): Persona {
  if (!options.quick) return persona;
  const { windowMs, warmupMs, pairsMax, candidatesMax } = QUICK;
  const totalMs = tasksOf(persona, target).length > 0 ? QUICK_WITH_TASKS_MS : QUICK.totalMs;
  return {
    ...persona,
    workload: { ...persona.workload, windowMs, warmupMs },
    budget: { totalMs, pairsMax, candidatesMax },
  };
}

function jobOf(context: Context, options: RunOptions, persona: Persona, target: TargetFile): Job {
  if (!target.workloads.some((workload) => workload.name === persona.workload.name)) {
    throw new PerfoptError(
      "bad-input",
      `persona ${persona.name} wants the workload ${persona.workload.name}, which ${target.path} does not define`,
      `define it there, or name one of ${target.workloads.map((each) => each.name).join(", ")} in the persona's workload.name`,
    );
  }
  checkCapacity(persona, target);
  checkTasks(persona, target);
  return {
    persona,
    target,
    scale: scaleOf(options, target),
    seed: seedOf(options),
    phases: phasesOf(options, persona),
    budgetMs: budgetOf(options, persona),
    quick: options.quick ?? false,
    busyMachine: options.busyMachine ?? false,
    outputDirectory: resolve(context.directory, options.output),
  };
}

/** A phase that measures bulk work which nobody does would have nothing to decide by. */
function checkTasks(persona: Persona, target: TargetFile): void {
  const known = tasksOf(persona, target);
  for (const { name, tasks = [] } of persona.strategies) {
    const unknown = tasks.filter((task) => !known.includes(task));
    if (unknown.length === 0) continue;
    throw new PerfoptError(
      "bad-input",
      `persona ${persona.name}, strategy ${name}: the workload ${persona.workload.name} of ${target.path} has no task ${unknown.join(", ")}`,
      known.length === 0
        ? "define tasks in that workload, or leave the strategy's tasks out"
        : `name some of ${known.join(", ")}`,
    );
  }
}

function tasksOf(persona: Persona, target: TargetFile): readonly string[] {
  const workload = target.workloads.find((each) => each.name === persona.workload.name);
  return (workload?.tasks ?? []).map(({ name }) => name);
}

/** An SLO of an endpoint that is never called would hold no load, after minutes of searching. */
function checkCapacity(persona: Persona, target: TargetFile): void {
  const workload = target.workloads.find((each) => each.name === persona.workload.name);
  const names = workload ? endpointsOf(workload).map(({ name }) => name) : [];
  for (const { endpoint, text } of persona.capacity?.users?.slos ?? []) {
    if (endpoint === undefined || names.includes(endpoint)) continue;
    throw new PerfoptError(
      "bad-input",
      `persona ${persona.name}, capacity.users.slos: ${text} names an endpoint that the workload ${persona.workload.name} does not have`,
      `name one of ${names.join(", ")}`,
    );
  }
}

export function scaleOf(
  options: Pick<RunOptions, "scale" | "quick">,
  target: TargetFile,
): string | undefined {
  if (!target.seed) {
    if (options.scale === undefined) return undefined;
    throw new PerfoptError(
      "bad-input",
      `--scale ${options.scale}: ${target.path} has no seed section`,
      "leave --scale out",
    );
  }
  const scale =
    options.scale ?? (options.quick ? target.seed.quickScale : target.seed.defaultScale);
  if (target.seed.scales.includes(scale)) return scale;
  throw new PerfoptError(
    "bad-input",
    `--scale ${scale}: ${target.name} has no such scale`,
    `use one of ${target.seed.scales.join(", ")}`,
  );
}

export function seedOf(options: Pick<RunOptions, "seed">): number {
  const seed = Number(options.seed);
  if (Number.isSafeInteger(seed) && seed >= 0 && seed < 2 ** 31) return seed;
  throw new PerfoptError(
    "bad-input",
    `--seed ${options.seed}: expected a whole number from 0 to 2147483647`,
    "for example --seed 42",
  );
}

function phasesOf(options: RunOptions, persona: Persona): readonly string[] | undefined {
  if (options.phases === undefined) return undefined;
  const names = options.phases.split(",").map((name) => name.trim());
  const known = persona.strategies.map((strategy) => strategy.name);
  const unknown = names.filter((name) => !known.includes(name));
  if (unknown.length === 0) return names;
  throw new PerfoptError(
    "bad-input",
    `--phases: persona ${persona.name} has no strategy ${unknown.join(", ")}`,
    `use some of ${known.join(", ")}`,
  );
}

function budgetOf(options: RunOptions, persona: Persona): number {
  if (options.budget === undefined) return persona.budget.totalMs;
  const budgetMs = parseDuration(options.budget);
  if (budgetMs !== undefined && budgetMs >= 30_000) return budgetMs;
  throw new PerfoptError(
    "bad-input",
    `--budget ${options.budget}: expected a time of at least 30s`,
    "write it as 90s, 10m or 1h; `--dry-run` says what a run needs",
  );
}

/** The plan of a job when `leftMs` of its budget are left for measuring. */
export function planOf(job: Job, leftMs = job.budgetMs): Plan {
  return planRun(job.persona, job.target.name, {
    ...(job.phases ? { phases: job.phases } : {}),
    budgetMs: leftMs,
    rationaleOf: (strategy) => tunerOf(strategy.tuner ?? "")?.rationale ?? "",
  });
}

export function planText(job: Job, plan: Plan): string {
  const { persona, target } = job;
  const scale = job.scale === undefined ? "" : `, scale ${job.scale}`;
  return [
    `${persona.title} on ${target.title}${scale}`,
    planTable(plan),
    `A trial measures incumbent and candidate in pairs of ${formatDuration(plan.windowMs)} windows, at most ${plan.pairsMax} pairs; at most ${plan.candidatesMax} candidates a phase.`,
    ...tasksText(tasksOf(persona, target)),
    ...overloadText(persona, plan),
    ...capacityText(plan),
    `Time: ${formatDuration(plan.estimate.leastMs)} when nothing is worth trying, at most ${formatDuration(plan.estimate.mostMs)}; starting and seeding come on top the first time.`,
  ].join("\n");
}

/** How long they take, only the first windows tell: the run then counts with what its pairs really took. */
function tasksText(tasks: readonly string[]): readonly string[] {
  if (tasks.length === 0) return [];
  return [
    `Beside the requests, windows do ${tasks.join(", ")}, or those of them that a phase names; a window goes on until each was done once, so that fewer pairs may fit than are planned.`,
  ];
}

function overloadText({ strategies, constraints }: Persona, { phases }: Plan): readonly string[] {
  return strategies.flatMap(({ name, title, overload }) => {
    const runs = phases.some((phase) => phase.name === name && phase.tuner !== undefined);
    if (!overload || !runs) return [];
    const usual =
      constraints.length > 0
        ? `; of a candidate that is proven better there, the constraints are judged in ${USUAL_PAIRS} more pairs at the usual load`
        : "";
    return [
      `All windows of ${title} are overload: ${formatDuration(overload.windowMs)} at ${overload.factor} times what the baseline completes${usual}.`,
    ];
  });
}

function capacityText({ capacity }: Plan): readonly string[] {
  if (!capacity) return [];
  const { users, overload } = capacity.measured;
  const parts = [
    ...(users ? [`concurrent users within ${users.slos.map(({ text }) => text).join(", ")}`] : []),
    ...(overload ? [`${overload.factor} times the baseline's capacity`] : []),
  ];
  const took = formatDuration(Math.round((capacity.baselineMs + capacity.keptMs) / 1000) * 1000);
  return [
    ...(parts.length > 0
      ? [`Capacity, before and after: ${parts.join("; ")}; at most ${took} are set aside for it.`]
      : []),
    ...capacity.notes.map((note) => `Note: ${note}.`),
  ];
}
