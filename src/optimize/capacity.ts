/** How much the service carries, of the baseline and of everything kept: users within their SLOs, and behaviour under overload. */
import type { CapacityPlan, CapacityResult, UsersPlan } from "../core/capacity.ts";
import { messageOf, PerfoptError, throwIfAborted } from "../core/errors.ts";
import type { LimitResult } from "../core/result.ts";
import { formatDuration } from "../core/units.ts";
import type { Role } from "../core/trial.ts";
import type { ThinkTime } from "../core/workload.ts";
import { findLimit } from "../limit/find.ts";
import { windowLengthMs } from "../limit/windows.ts";
import { capacityCosts, confirmationExtraMs, USERS_WINDOWS_LEAST } from "../plan.ts";
import { measureOverload } from "./overload.ts";
import { keptChanges, type Run, type RunState } from "./run.ts";

type Of = "baseline" | "kept";

/** What of saturation the search begins at: most services hold it, and it spares the steps up to it. */
const START_SHARE = 0.25;

/**
 * Measured once each, with fresh processes, at the end of the run: what it writes and how it wears the stores would make the arms of later
 * trials unlike. After the confirmation they are alike, and the baseline is on the incumbent's, everything kept on the candidate's.
 * Nothing is decided by it, and nothing is proven. Does nothing when
 * the persona does not ask, or when nothing was kept: what was measured of the baseline holds then. What cannot be measured, or does
 * not fit into the time that is left, is said in a warning; a service that dies under overload is no failure of the run.
 */
export async function measureCapacity(run: Run, state: RunState, of: Of): Promise<void> {
  const { capacity } = run.plan;
  if (!capacity) return;
  if (of === "baseline") await warn(run, capacity.notes);
  if (!capacity.measured.users && !capacity.measured.overload) return;
  if (of === "kept" && state.kept.length === 0) {
    run.say("capacity: nothing is kept, so what was measured of the baseline holds");
    return;
  }
  const keptMs = state.kept.length > 0 ? capacity.keptMs : 0;
  const deadline = of === "baseline" ? run.deadline - keptMs : run.deadline;
  run.say(
    `capacity of the ${of === "baseline" ? "baseline" : "kept configuration"}: fresh processes`,
  );
  const role = roleOf(of);
  await run.bench.setArm(role, of === "baseline" ? [] : keptChanges(state));
  await run.bench.restartArms();
  const result = await measured(run, state, of, capacity.measured, deadline);
  await run.journal.append({ type: "capacity-measured", of, result });
  await warn(run, result.unmeasured ?? []);
}

function roleOf(of: Of): Role {
  return of === "baseline" ? "incumbent" : "candidate";
}

async function warn(run: Run, messages: readonly string[]): Promise<void> {
  for (const message of messages) await run.journal.append({ type: "warning", message });
}

async function measured(
  run: Run,
  state: RunState,
  of: Of,
  plan: CapacityPlan,
  deadline: number,
): Promise<CapacityResult> {
  const unmeasured: string[] = [];
  const usersPlan = plan.users;
  const overloadPlan = plan.overload;
  const { overloadMs } = capacityCosts(run.persona, plan);
  const title = of === "baseline" ? "the baseline" : "what was kept";
  const users =
    usersPlan &&
    (await orWhyNot(run, unmeasured, `how many users ${title} carries`, () =>
      measureUsers(run, state, roleOf(of), usersPlan, deadline - overloadMs),
    ));
  state.usersHeld ??= users?.holds;
  const overload =
    overloadPlan &&
    (await orWhyNot(run, unmeasured, `how ${title} behaves under overload`, () =>
      measureOverload(run, state, of, overloadPlan, deadline - overloadMs),
    ));
  return {
    ...(users ? { users } : {}),
    ...(overload ? { overload } : {}),
    ...(unmeasured.length > 0 ? { unmeasured } : {}),
  };
}

/** A part that cannot be measured is no reason to lose the run. Throws what is not about measuring. */
async function orWhyNot<T>(
  run: Run,
  unmeasured: string[],
  what: string,
  measure: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await measure();
  } catch (error) {
    throwIfAborted(run.signal);
    if (!(error instanceof PerfoptError) || error.code !== "cannot-measure") throw error;
    unmeasured.push(`capacity: ${what} was not measured: ${messageOf(error)}`);
    return undefined;
  }
}

async function measureUsers(
  run: Run,
  state: RunState,
  role: Role,
  plan: UsersPlan,
  deadline: number,
): Promise<LimitResult> {
  const { warmupMs } = run.persona.workload;
  checkTime(run, plan, deadline);
  return findLimit({
    unit: "users",
    slos: plan.slos,
    from: startOf(state, plan.think),
    windowsMax: plan.windowsMax,
    clock: run.clock,
    // The search counts with windows as long as those before: the confirmation's are longer.
    deadline: deadline - confirmationExtraMs(plan),
    signal: run.signal,
    say: (line) => {
      run.say(`capacity: ${line}`);
    },
    measure: ({ load, window }) =>
      run.bench.sample({
        role,
        seed: state.nextSeed++,
        requestsPerSecond: state.requestsPerSecond,
        arrivals: run.persona.workload.arrivals,
        warmupMs,
        windowMs: windowLengthMs(window, plan.windowMs, plan.slos),
        users: { count: Math.round(load), think: plan.think },
      }),
  });
}

function checkTime(run: Run, plan: UsersPlan, deadline: number): void {
  const least = { users: { ...plan, windowsMax: USERS_WINDOWS_LEAST } };
  const neededMs = capacityCosts(run.persona, least).usersMs;
  const leftMs = deadline - run.clock.now();
  if (leftMs >= Math.min(neededMs, capacityCosts(run.persona, { users: plan }).usersMs)) return;
  throw new PerfoptError(
    "cannot-measure",
    `${formatDuration(Math.max(0, leftMs))} were left for it, and the shortest search takes ${formatDuration(neededMs)}`,
    "give the run more time with --budget",
  );
}

/**
 * The second search begins where the first ended, which spares it most of the way. The first begins at the users who would send a
 * share of the saturation rate if they never waited for an answer (Little's law).
 */
function startOf(state: RunState, think: ThinkTime): number {
  if (state.usersHeld !== undefined) return state.usersHeld;
  const perSecond = state.saturationRequestsPerSecond ?? state.requestsPerSecond;
  return Math.max(1, Math.round((START_SHARE * perSecond * meanMs(think)) / 1_000));
}

function meanMs(think: ThinkTime): number {
  switch (think.kind) {
    case "fixed":
      return think.ms;
    case "uniform":
      return (think.minMs + think.maxMs) / 2;
    case "exponential":
      return think.meanMs;
  }
}
