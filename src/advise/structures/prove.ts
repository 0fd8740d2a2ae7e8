/** Plans tried in a copy of the data: made, both forms of each statement compared row by row and timed in turns, and dropped again. */
import { messageOf, throwIfAborted } from "../../core/errors.ts";
import type {
  RewriteProof,
  StructurePlan,
  StructureProof,
  StructureRewrite,
  StructureStand,
} from "../../core/structure.ts";
import { formatDuration } from "../../core/units.ts";
import type { VerifyStand, VerifyStatement } from "../../core/verification.ts";
import { comparePairs, type Outcome, type PairRules } from "../../decide/verify-pairs.ts";

export interface ProveOptions {
  readonly seed: number;
  /** Milliseconds. */
  readonly now: () => number;
  readonly signal: AbortSignal;
  readonly onProgress?: (line: string) => void;
  readonly rules?: Partial<PairRules>;
}

/** At least five pairs where the time allows, never less than four (as `comparePairs` has it). */
const RULES: Omit<PairRules, "seed"> = {
  pairs: 9,
  confidence: 0.99,
  timeoutMs: 60_000,
  statementTimeMs: 30_000,
};
/** With less left nothing is begun. */
const LEAST_MS = 500;
/** Of the time for a statement, what one run may take: with less than so many of them there is no measurement. */
const RUNS_LEAST = 6;
/** The form that is expected to be faster is visible or it is not: two sets, as indexes are verified. */
const AFTER = "after";

type Outcomes = StructureProof["outcome"];

/** One proof a plan; what PostgreSQL refuses is in it. Throws only when it is interrupted, or the stand is lost. */
export async function proveStructures(
  stand: StructureStand,
  plans: readonly StructurePlan[],
  limitMs: number,
  options: ProveOptions,
): Promise<readonly StructureProof[]> {
  const deadline = options.now() + limitMs;
  const proofs: StructureProof[] = [];
  for (const plan of plans) {
    throwIfAborted(options.signal);
    options.onProgress?.(`trying ${plan.id} on the copy`);
    const leftMs = deadline - options.now();
    // What a plan does not use is left to those after it.
    const share = leftMs / (plans.length - proofs.length);
    const outcome: Outcomes =
      leftMs < LEAST_MS
        ? { kind: "failed", because: `no time was left for it within ${formatDuration(limitMs)}` }
        : await proveOne(stand, plan, Math.max(LEAST_MS, share), options);
    proofs.push({ plan: plan.id, outcome });
  }
  return proofs;
}

async function proveOne(
  stand: StructureStand,
  plan: StructurePlan,
  limitMs: number,
  options: ProveOptions,
): Promise<Outcomes> {
  const deadline = options.now() + limitMs;
  const left = (): number => Math.max(LEAST_MS, deadline - options.now());
  try {
    const { bytes, buildMs } = await stand.build(plan, left());
    const proven: Extract<Outcomes, { kind: "proven" }> = {
      kind: "proven",
      rewrites: [],
      unmeasured: [],
      buildMs,
      bytes,
    };
    const measured = await rewritesOf(stand, plan, left, options);
    if (typeof measured === "string") return { kind: "failed", because: measured };
    const { refresh } = plan;
    const upkeepMs = refresh === undefined ? undefined : await stand.refresh(refresh, left());
    return { ...proven, ...measured, ...(upkeepMs === undefined ? {} : { upkeepMs }) };
  } catch (error) {
    throwIfAborted(options.signal);
    return { kind: "failed", because: `on the copy: ${messageOf(error)}` };
  } finally {
    await stand.drop(plan);
  }
}

interface Measured {
  readonly rewrites: readonly RewriteProof[];
  readonly unmeasured: readonly { readonly statement: string; readonly because: string }[];
}

/** A text says why the plan is wrong: other rows are worse than slow ones. */
async function rewritesOf(
  stand: StructureStand,
  plan: StructurePlan,
  left: () => number,
  options: ProveOptions,
): Promise<Measured | string> {
  const rows = new Map<string, number>();
  for (const { statement, others, ...first } of plan.rewrites) {
    for (const forms of [first, ...others]) {
      const compared = await stand.compare(forms, left());
      if (compared.difference !== undefined)
        return `statement ${statement} gives other rows when it is rewritten: ${compared.difference}`;
      rows.set(statement, (rows.get(statement) ?? 0) + compared.rows);
    }
  }
  const timeMs = left() / Math.max(1, plan.rewrites.length);
  const rules: PairRules = {
    ...RULES,
    ...options.rules,
    seed: options.seed,
    timeoutMs: Math.min(RULES.timeoutMs, timeMs / RUNS_LEAST),
    statementTimeMs: Math.min(RULES.statementTimeMs, timeMs / 2),
  };
  const outcomes = await comparePairs(
    pairStand(stand, plan, left),
    plan.rewrites.map((rewrite) => ({
      statement: verifyStatement(rewrite),
      base: [],
      candidate: [AFTER],
    })),
    rules,
    plan.id,
  );
  const rewrites: RewriteProof[] = [];
  const unmeasured: { statement: string; because: string }[] = [];
  for (const rewrite of plan.rewrites) {
    const outcome = outcomes.get(rewrite.statement);
    if (outcome?.kind === "measured") {
      const compared = rows.get(rewrite.statement) ?? 0;
      const proof = proofOf(rewrite, compared, outcome, rules.confidence);
      rewrites.push(
        plan.kind === "partitioning"
          ? { ...proof, pruning: await stand.pruning(rewrite.after, plan.makes) }
          : proof,
      );
    } else unmeasured.push({ statement: rewrite.statement, because: whyNot(outcome) });
  }
  return { rewrites, unmeasured };
}

function verifyStatement({ statement, before }: StructureRewrite): VerifyStatement {
  return { id: statement, sql: before, valuesFrom: "statement", weight: 1, estimated: undefined };
}

/** Statements by their ids: what is visible says which form is run. */
function pairStand(stand: StructureStand, plan: StructurePlan, left: () => number): VerifyStand {
  const forms = new Map(plan.rewrites.map((each) => [each.statement, each]));
  return {
    design: "",
    sizes: [],
    plan: () => Promise.resolve({ kind: "failed", because: "plans are not asked for here" }),
    run: ({ id, sql }, visible, timeoutMs) => {
      const after = forms.get(id)?.after ?? sql;
      const leftMs = left();
      if (leftMs <= LEAST_MS)
        return Promise.resolve({ kind: "failed", because: "the time for the plan was over" });
      return stand.run(visible.includes(AFTER) ? after : sql, Math.min(timeoutMs, leftMs));
    },
  };
}

function proofOf(
  { statement, others }: StructureRewrite,
  rows: number,
  { factor, logs }: Extract<Outcome, { kind: "measured" }>,
  confidence: number,
): RewriteProof {
  return {
    statement,
    sameRows: true,
    compared: 1 + others.length,
    rows,
    beforeMs: factor.withoutMs,
    afterMs: factor.withMs,
    ratio: { estimate: factor.factor, low: factor.low, high: factor.high, confidence },
    executions: logs.length,
  };
}

function whyNot(outcome: Exclude<Outcome, { kind: "measured" }> | undefined): string {
  switch (outcome?.kind) {
    case "failed":
      return outcome.because;
    case "timeout":
      return outcome.who === "candidate"
        ? `rewritten it takes more than ${formatDuration(outcome.limitMs)}, as it is ${formatDuration(outcome.otherMs)}`
        : `as it is it takes more than ${formatDuration(outcome.limitMs)}, rewritten ${formatDuration(outcome.otherMs)}`;
    case "both timed out":
      return `both forms take more than ${formatDuration(outcome.limitMs)}`;
    case undefined:
      return "it was not run";
  }
}
