/** Load balancing: whether more processes help at all, and then how requests are shared among them. */
import { countOf, gainInWords, noBetterInWords } from "../advise/concurrency/gain-words.ts";
import {
  balancePolicies,
  evennessInWords,
  healthPolicy,
} from "../advise/concurrency/balance/policy.ts";
import type {
  BalancePolicy,
  BalancePresets,
  BalanceRole,
} from "../advise/concurrency/balance/policy.ts";
import type { BalanceSettings } from "../advise/concurrency/balance/policy.ts";
import {
  limitInWords,
  loopIdleBecause,
  machineFacts,
  processesMost,
} from "../advise/concurrency/balance/processes.ts";
import type { ProcessLimits } from "../advise/concurrency/balance/processes.ts";
import { PRESET_WHY, probedInWords, searchProbed } from "../advise/concurrency/probed.ts";
import type { Probed } from "../advise/concurrency/probed.ts";
import { domainError } from "../core/knob.ts";
import type { Change, KnobValue } from "../core/knob.ts";
import { metricOf } from "../core/metric.ts";
import { knobByRole } from "../core/observation.ts";
import type { Ask, KnobReading, Past, Step, TargetView } from "../core/observation.ts";
import type { Strategy } from "../core/persona.ts";
import type { MetricValues } from "../core/sample.ts";
import { formatRatio } from "../core/units.ts";
import { done, erase, numberOf, numberSetting, propose, setKnob, trialsOf } from "./tuner.ts";
import { wasTried } from "./tuner.ts";

export interface LoadBalancingObservation {
  readonly processes: KnobReading | undefined;
  readonly knobs: Readonly<Partial<Record<BalanceRole, KnobReading>>>;
  /** Of the observed window; empty when it was invalid. */
  readonly metrics: MetricValues;
  readonly poolMax: number | null;
  /** What the database lets ordinary clients open in all. */
  readonly connections: number | null;
  readonly cores: number;
}

const ROLES = [
  "balancing",
  "sticky-sessions",
  "health-check-interval",
  "keep-alive",
  "gateway",
] as const satisfies readonly BalanceRole[];
const PROBES_MAX = 3;
const PRESET_HEALTH_MS = 15_000;
const OWN_PARTS = "each process has workers, threads and a pool of its own";

export const loadBalancing = erase<LoadBalancingObservation>({
  id: "load-balancing",
  title: "Load balancing",
  rationale:
    "A second process helps while one event loop is busy and the machine has a core for it; the least busy process helps requests that " +
    "would queue behind slow ones. Both cannot help where the database or the CPU is the limit: processes then only compete. How fast a " +
    "dead process is noticed is never visible under steady load, so that the health check goes along with another change or is advised.",
  roles: ["processes", ...ROLES],
  observe,
  next,
});

async function observe(view: TargetView): Promise<LoadBalancingObservation> {
  const { sample } = view;
  const knobs: Partial<Record<BalanceRole, KnobReading>> = {};
  for (const role of ROLES) {
    const reading = knobByRole(view, role);
    if (reading) knobs[role] = reading;
  }
  return {
    processes: knobByRole(view, "processes"),
    knobs,
    metrics: sample.valid ? sample.metrics : {},
    poolMax: numberOf(knobByRole(view, "pool-max")?.value) ?? null,
    connections: await connectionsOf(view),
    cores: view.machine.cores,
  };
}

async function connectionsOf({ database }: TargetView): Promise<number | null> {
  const [row] = await database.query(
    `SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int AS "limit"`,
  );
  return row ? Number(row["limit"]) : null;
}

function next(ask: Ask<LoadBalancingObservation>): Step {
  const { observation } = ask;
  const { processes, metrics } = observation;
  const count = numberOf(processes?.value);
  if (!processes || count === undefined || processes.knob.domain.kind !== "int") {
    return done("the target has no knob for the number of its processes (role processes)");
  }
  const { objective } = ask.strategy;
  if (metrics[objective] === undefined) {
    return done(`${metricOf(objective).title} was not measured in the observed window`);
  }
  const more = processesStep(ask, processes, count);
  if (more.kind === "step") return more.step;
  if (count < 2) {
    return done(
      `${more.because}; with one process there is nothing to balance: algorithm, stickiness, health check and gateway were not tried`,
    );
  }
  return policyStep(ask, count, more.because);
}

function ofSaturation({ requestsPerSecond, saturationRequestsPerSecond }: Ask<unknown>): number {
  return requestsPerSecond === undefined || !saturationRequestsPerSecond
    ? 1
    : requestsPerSecond / saturationRequestsPerSecond;
}

/** What a part of the work says: a step to take, or that it has ended and why. */
type Part =
  | { readonly kind: "step"; readonly step: Step }
  | { readonly kind: "ended"; readonly because: string };

function processesStep(
  ask: Ask<LoadBalancingObservation>,
  processes: KnobReading,
  present: number,
): Part {
  const { observation, strategy, history, noiseFloor, candidatesMax } = ask;
  const { metrics, cores } = observation;
  const trial = trialOf(history, processes);
  if (trial) return { kind: "ended", because: afterTrial(trial) };
  const limits = limitsOf(observation);
  const preset = numberSetting(strategy, "processes");
  const idle = loopIdleBecause(metrics, present, ofSaturation(ask));
  if (idle !== undefined)
    return { kind: "ended", because: `more processes were not tried: ${idle}` };
  const probed = searchProbed({
    knobs: [
      {
        reading: processes,
        hypotheses: [
          preset === undefined
            ? { value: cores, why: "one process for each core" }
            : { value: preset, why: PRESET_WHY },
        ],
        max: processesMost(limits),
      },
    ],
    objective: strategy.objective,
    metrics,
    history,
    noiseFloor,
    probesMax: numberSetting(strategy, "probesMax") ?? PROBES_MAX,
    candidatesMax,
  });
  const { step } = probed;
  if (step.kind === "unmeasurable") return { kind: "ended", because: step.because };
  const to = step.values[processes.knob.id] ?? present;
  const change = setKnob(processes, to);
  if (step.kind === "probe" && change) {
    const why = `${countOf(to, "process", "processes")}: ${step.why}`;
    return { kind: "step", step: { kind: "probe", changes: [change], why } };
  }
  const { objective } = strategy;
  const words = probedInWords(probed, objective, processes.knob.id, "processes");
  const facts = [
    words,
    limitInWords(limits),
    ...loopFacts(metrics),
    ...machineFacts(metrics, cores),
    OWN_PARTS,
  ];
  const gain = step.kind === "best" ? step.gain : 0;
  if (!change || gain <= probed.noiseFloor || trialsOf(history).length >= candidatesMax) {
    return { kind: "ended", because: `${whyNone(probed, processes, ask)}: ${facts.join("; ")}` };
  }
  const hypothesis = `${countOf(to, "process", "processes")} instead of ${present} ${to === 1 ? "makes" : "make"} ${metricOf(objective).title} better`;
  const proposal = { hypothesis, changes: [change], evidence: facts };
  return { kind: "step", step: propose("load-balancing", history, proposal) };
}

/** Why the number of processes stays. */
function whyNone(
  { measured, noiseFloor, step }: Probed,
  { knob, value }: KnobReading,
  { strategy: { objective } }: Ask<unknown>,
): string {
  const present = numberOf(value) ?? 0;
  if (step.kind === "best" && step.gain > noiseFloor) {
    const best = step.values[knob.id] ?? present;
    return `${countOf(best, "process", "processes")} measured better than ${present} by more than ${gainInWords(objective, noiseFloor)}, but no trial is left to decide it`;
  }
  return noBetterInWords({
    what: "number of processes",
    present,
    measured: measured.map(({ values, metric }) => ({ value: values[knob.id] ?? present, metric })),
    objective,
    noiseFloor,
  });
}

function limitsOf({ cores, poolMax, connections }: LoadBalancingObservation): ProcessLimits {
  return { cores, poolMax: poolMax ?? undefined, connections: connections ?? undefined };
}

function loopFacts(metrics: MetricValues): readonly string[] {
  const busy = metrics["service.eventLoopUtilization"];
  return busy === undefined ? [] : [`event loop busy ${formatRatio(busy)}`];
}

function policyStep(ask: Ask<LoadBalancingObservation>, processes: number, because: string): Step {
  const { observation, strategy, history, candidatesMax } = ask;
  const settings = settingsOf(observation, processes);
  const presets = presetsOf(strategy);
  const policies = balancePolicies(settings, presets, observation.metrics);
  for (const policy of policies) {
    const changes = changesOf(observation, policy);
    if (changes.length === 0 || wasTried(history, changes)) continue;
    if (trialsOf(history).length >= candidatesMax) break;
    const { hypothesis, facts } = policy;
    return propose("load-balancing", history, { hypothesis, changes, evidence: facts });
  }
  const tried = trialsOf(history).map(afterTrial);
  const health = healthPolicy(settings, presets);
  const reasons = [
    because,
    ...tried.filter((each) => each !== because),
    evennessInWords(observation.metrics),
    ...(health ? [`advised, not applied: ${health}`] : []),
    "slow start was not tried: no process comes back under steady load",
  ];
  return done(reasons.join("; "));
}

function settingsOf({ knobs }: LoadBalancingObservation, processes: number): BalanceSettings {
  const text = (role: BalanceRole) => textOf(knobs[role]?.value);
  const flag = (role: BalanceRole) => flagOf(knobs[role]?.value);
  return {
    processes,
    balancing: text("balancing"),
    algorithms: valuesOf(knobs.balancing),
    sticky: flag("sticky-sessions"),
    keepAlive: flag("keep-alive"),
    healthIntervalMs: numberOf(knobs["health-check-interval"]?.value),
    gateway: text("gateway"),
    gateways: valuesOf(knobs.gateway),
  };
}

function textOf(value: KnobValue | undefined): string | undefined {
  return typeof value === "string" ? value : undefined;
}

function flagOf(value: KnobValue | undefined): boolean | undefined {
  return typeof value === "boolean" ? value : undefined;
}

function valuesOf(reading: KnobReading | undefined): readonly string[] {
  return reading?.knob.domain.kind === "enum" ? reading.knob.domain.values : [];
}

function presetsOf(strategy: Strategy): BalancePresets {
  const { settings } = strategy;
  return {
    balancing: textOf(settings["balancing"]) ?? "least-connections",
    sticky: flagOf(settings["sticky-sessions"]) ?? false,
    healthIntervalMs: numberSetting(strategy, "health-check-interval") ?? PRESET_HEALTH_MS,
    gateway: textOf(settings["gateway"]) ?? "haproxy",
  };
}

function changesOf({ knobs }: LoadBalancingObservation, policy: BalancePolicy): readonly Change[] {
  return ROLES.flatMap((role) => {
    const [reading, value] = [knobs[role], policy.set[role]];
    if (!reading || value === undefined || value === reading.value) return [];
    if (typeof value === "number") return setKnob(reading, value) ?? [];
    if (domainError(reading.knob.domain, value) !== undefined) return [];
    return { kind: "set-knob" as const, knob: reading.knob.id, from: reading.value, to: value };
  });
}

type Trial = Extract<Past, { kind: "trial" }>;

function trialOf(history: readonly Past[], reading: KnobReading): Trial | undefined {
  return trialsOf(history).findLast(({ candidate: { changes } }) =>
    changes.some((change) => change.kind === "set-knob" && change.knob === reading.knob.id),
  );
}

function afterTrial({ decision, candidate: { hypothesis } }: Trial): string {
  return decision.verdict === "keep"
    ? `kept: ${hypothesis}`
    : `did not hold in pairs: ${hypothesis} (${decision.detail})`;
}
