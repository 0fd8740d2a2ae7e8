/** One step of a phase: look, probe a setting once, or prove a candidate by pairs. */
import { usualBlockOf } from "../core/trial.ts";
import type { Candidate, Decision, Pair, Role } from "../core/trial.ts";
import type { Past, ProbeLoad, Step } from "../core/observation.ts";
import { unmeasuredSample, type Sample } from "../core/sample.ts";
import { messageOf, PerfoptError, throwIfAborted } from "../core/errors.ts";
import { judgeConstraints } from "../decide/constraints.ts";
import { judge, type Rule } from "../decide/judge.ts";
import { metricOf } from "../core/metric.ts";
import { measurePairs } from "./noise.ts";
import { measurePair, phaseWindow, windowOf, took } from "./pairs.ts";
import { FIRST_LOOK_PAIRS, USUAL_PAIRS } from "../plan.ts";
import { saturationOf } from "./rate.ts";
import { capacityMs, confirmMsOf, pairMsOf, usualPairsMs } from "./time.ts";
import { keptChanges, type PhaseState, type Run, type RunState } from "./run.ts";

/** One window on the incumbent, then everything that the tuner reads of it; in the journal before it is used. */
export async function observeIncumbent(
  run: Run,
  state: RunState,
  phase: PhaseState,
): Promise<unknown> {
  run.say(`${phase.plan.title}: observing the incumbent`);
  const window = await phaseWindow(run, state, phase.strategy);
  const startedAt = run.clock.now();
  const view = await run.bench.observe({ seed: state.nextSeed++, ...window });
  if (window.overload) took(state, "overload", 1 / 2, run.clock.now() - startedAt);
  const observation = await phase.tuner.observe(view, { again: phase.history.length > 0 });
  const { trace: _, ...load } = view.sample.load;
  await run.journal.append({
    type: "observed",
    phase: phase.plan.name,
    observation,
    sample: { ...view.sample, load },
  });
  return observation;
}

/** Measures one setting once, on the candidate arm: search is unpaired, only decisions are paired. */
export async function probe(
  run: Run,
  state: RunState,
  phase: PhaseState,
  step: Extract<Step, { kind: "probe" }>,
): Promise<Past> {
  run.say(`${phase.plan.title}: probing, ${step.why}`);
  const load = step.load === undefined ? {} : { load: step.load };
  const sample = await probedOrNot(run, state, phase, step);
  await run.journal.append({
    type: "probed",
    phase: phase.plan.name,
    changes: step.changes,
    why: step.why,
    ...load,
    sample,
  });
  return { kind: "probe", changes: step.changes, why: step.why, ...load, sample };
}

/** A setting under which the service does not start, or dies, is as bad as can be: that is what the search has to know of it. */
async function probedOrNot(
  run: Run,
  state: RunState,
  phase: PhaseState,
  step: Extract<Step, { kind: "probe" }>,
): Promise<Sample> {
  // A load of its own asks what the service does with requests alone.
  const window = step.load
    ? { ...windowOf(run, state), ...(await otherLoad(run, state, step.load)) }
    : await phaseWindow(run, state, phase.strategy);
  const request = { role: "candidate" as const, seed: state.nextSeed++, ...window };
  try {
    await run.bench.setArm("candidate", [...keptChanges(state), ...step.changes]);
    const startedAt = run.clock.now();
    const sample = await run.bench.sample(request);
    if (window.overload) took(state, "overload", 1 / 2, run.clock.now() - startedAt);
    return sample;
  } catch (error) {
    throwIfAborted(run.signal);
    if (!(error instanceof PerfoptError) || error.code !== "cannot-measure") throw error;
    await run.bench.setArm("candidate", keptChanges(state));
    await run.bench.restartArms();
    return unmeasuredSample(request, messageOf(error));
  }
}

async function otherLoad(run: Run, state: RunState, load: ProbeLoad) {
  if (load.kind === "users") {
    return { users: { count: load.count, think: { kind: "fixed" as const, ms: 0 } } };
  }
  return { requestsPerSecond: load.factor * (await saturationOf(run, state)) };
}

/** Stages a candidate on its arm, measures pairs until the test decides, and takes it off the arm again unless kept. */
export async function tryCandidate(
  run: Run,
  state: RunState,
  phase: PhaseState,
  candidate: Candidate,
  pairsMax: number,
): Promise<Decision> {
  await run.journal.append({ type: "trial-started", phase: phase.plan.name, candidate });
  const judgement = await provenOrNot(run, state, phase, candidate, pairsMax);
  await run.journal.append({
    type: "trial-decided",
    phase: phase.plan.name,
    candidate,
    decision: judgement.decision,
    effects: judgement.effects,
    constraints: judgement.constraints,
  });
  return judgement.decision;
}

type Decided = Extract<ReturnType<typeof judge>, { kind: "decided" }>;

async function provenOrNot(
  run: Run,
  state: RunState,
  phase: PhaseState,
  candidate: Candidate,
  pairsMax: number,
): Promise<Decided> {
  run.say(`${phase.plan.title}: staging ${candidate.id}`);
  try {
    await run.bench.setArm("incumbent", keptChanges(state));
    await run.bench.setArm("candidate", [...keptChanges(state), ...candidate.changes]);
  } catch (error) {
    if (run.signal.aborted || isDirty(error)) throw error;
    return failed(`it could not be staged: ${messageOf(error)}`);
  }
  const decided = await measureUntilDecided(run, state, phase, candidate, pairsMax);
  return phase.strategy.overload && decided.decision.verdict === "keep"
    ? atUsualLoad(run, state, candidate, decided)
    : decided;
}

/** Proven under overload, where constraints are broken by design: whether they hold at the usual load is measured there. */
async function atUsualLoad(
  run: Run,
  state: RunState,
  candidate: Candidate,
  decided: Decided,
): Promise<Decided> {
  const { constraints } = run.persona;
  const { decision } = decided;
  if (constraints.length === 0 || decision.verdict !== "keep") return decided;
  const pairs = await pairsOrWhyNot(run, async () => {
    await run.bench.restartArms();
    return measurePairs(run, state, usualBlockOf(candidate), USUAL_PAIRS);
  });
  if (typeof pairs === "string") {
    const because = `Better under overload, but the constraints could not be judged at the usual load: ${pairs}. ${decision.detail}`;
    return {
      ...decided,
      decision: { verdict: "inconclusive", effect: decision.effect, detail: because },
    };
  }
  const results = judgeConstraints(constraints, pairs);
  const broken = results.find(({ ok }) => !ok);
  if (!broken) return { ...decided, constraints: results };
  const detail = `A constraint is broken at the usual load: ${broken.detail}. Under overload: ${decision.detail}`;
  return {
    ...decided,
    decision: { verdict: "discard", because: "constraint", effect: decision.effect, detail },
    constraints: results,
  };
}

/** What could not be measured, in words, is no reason to lose the run. Throws what is not about measuring. */
async function pairsOrWhyNot(
  run: Run,
  measure: () => Promise<readonly Pair[]>,
): Promise<readonly Pair[] | string> {
  try {
    return await measure();
  } catch (error) {
    throwIfAborted(run.signal);
    if (!(error instanceof PerfoptError) || error.code !== "cannot-measure") throw error;
    return messageOf(error);
  }
}

async function measureUntilDecided(
  run: Run,
  state: RunState,
  phase: PhaseState,
  candidate: Candidate,
  pairsMax: number,
): Promise<Decided> {
  const rule: Rule = {
    objective: phase.strategy.objective,
    minEffect: minEffectOf(run, phase),
    constraints: phase.strategy.overload ? [] : run.persona.constraints,
    pairsMax,
    watch: run.watched,
  };
  const block = { name: candidate.id, window: await phaseWindow(run, state, phase.strategy) };
  const pairs: Pair[] = [];
  let invalid = 0;
  for (let index = 0; ; index += 1) {
    if (index > 0 && index % run.limits.restartEveryPairs === 0) await run.bench.restartArms();
    if (index > 0 && !hasTimeFor(run, state, phase, pairs.length)) return outOfTime(pairs);
    run.say(
      `${phase.plan.title}: ${candidate.id}, pair ${pairs.length + 1} of at most ${pairsMax}`,
    );
    const result = await measurePair(run, state, block, index);
    if (result.kind === "invalid") {
      invalid += 1;
      if (invalid > run.limits.invalidPairsMax)
        return invalidTrial(result.role, result.sample, pairs);
      continue;
    }
    pairs.push(result.pair);
    const judgement = judge(pairs, rule);
    if (judgement.kind === "decided") return judgement;
  }
}

/**
 * For one more pair, or before the first look for all that it takes: pairs may have become longer than those that the trial was begun on.
 * A trial may go on into the next phase's time, not into what comes after all phases.
 */
function hasTimeFor(run: Run, state: RunState, phase: PhaseState, measured: number): boolean {
  const { overload } = phase.strategy;
  const after = confirmMsOf(run, state) + capacityMs(run) + usualPairsMs(run, state, overload);
  const pairs = Math.max(1, FIRST_LOOK_PAIRS - measured);
  return run.clock.now() + pairs * pairMsOf(run, state, overload) <= run.deadline - after;
}

function minEffectOf(run: Run, phase: PhaseState): number {
  return run.persona.minEffect[metricOf(phase.strategy.objective).compare];
}

/** A candidate that cannot be measured while the incumbent can has failed; when neither can, nothing is known. */
function invalidTrial(role: Role, sample: Sample, pairs: readonly Pair[]): Decided {
  const why = sample.invalidBecause.join("; ");
  if (role === "candidate")
    return failed(`its windows were invalid after ${pairs.length} good pairs: ${why}`);
  const detail = `too many invalid windows on the incumbent after ${pairs.length} good pairs: ${why}`;
  return {
    kind: "decided",
    decision: { verdict: "inconclusive", detail },
    effects: [],
    constraints: [],
  };
}

function outOfTime(pairs: readonly Pair[]): Decided {
  const detail = `the run's time was used up after ${pairs.length} pairs, which took longer than planned`;
  return {
    kind: "decided",
    decision: { verdict: "inconclusive", detail },
    effects: [],
    constraints: [],
  };
}

function failed(reason: string): Decided {
  const decision: Decision = { verdict: "discard", because: "failed", detail: reason };
  return { kind: "decided", decision, effects: [], constraints: [] };
}

function isDirty(error: unknown): boolean {
  return error instanceof PerfoptError && error.code === "dirty-target";
}
