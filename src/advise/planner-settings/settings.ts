/**
 * Settings of PostgreSQL's planner and executor that the executed statements give a reason to change. PostgreSQL has no index hints: these
 * are its honest equivalent, since they tell the planner what the machine is like instead of what to choose.
 */
import { formatRatio } from "../../core/units.ts";
import {
  notWorth,
  settingRoles,
  type PlansChanged,
  type SettingsAdvice,
  type SettingsInput,
  type Verdict,
} from "./idea.ts";
import { memoryIdea } from "./memory.ts";

/** Of a statement's time, or of all: what compiling may take before it is a reason to leave it. */
const JIT_SHARE_LEAST = 0.1;

export function settingsAdvice(input: SettingsInput): SettingsAdvice {
  const verdicts = settingRoles.flatMap((role): readonly Verdict[] => {
    if (input.values[role] === undefined) return [];
    if (input.executed.length === 0) return [notWorth(role, "no statement could be executed")];
    if (role === "pg-work-mem") return [memoryIdea(input)];
    return role === "pg-jit" ? [jitIdea(input)] : [costIdea(input, role)];
  });
  return {
    ideas: verdicts.flatMap((each) => (each.kind === "idea" ? [each.idea] : [])),
    notWorth: verdicts.flatMap((each) => (each.kind === "idea" ? [] : [each.because])),
  };
}

function jitIdea({ executed, values, canCompile }: SettingsInput): Verdict {
  if (values["pg-jit"] !== true) return notWorth("jit", "it is off already");
  if (!canCompile)
    return notWorth("jit", "this PostgreSQL cannot compile anything, whatever it is set to");
  const compiled = executed.flatMap((each) => {
    const ms = each.plan.jit?.totalMs;
    return ms === undefined
      ? []
      : [{ ...each, ms, part: ms / Math.max(each.plan.executionMs, 1e-3) }];
  });
  if (compiled.length === 0) return notWorth("jit", "no plan was costly enough to be compiled");
  // Each statement's compiling, by how much of the workload's time the statement is.
  const executedShare = executed.reduce((sum, { share }) => sum + share, 0);
  const whole =
    compiled.reduce((sum, { part, share }) => sum + part * share, 0) /
    Math.max(executedShare, 1e-9);
  if (whole < JIT_SHARE_LEAST) {
    return notWorth(
      "jit",
      `compiling takes ${formatRatio(whole)} of the executed statements' time, less than ${formatRatio(JIT_SHARE_LEAST)}`,
    );
  }
  return {
    kind: "idea",
    idea: {
      role: "pg-jit",
      to: false,
      hypothesis: `without compiling the statements are spared ${formatRatio(whole)} of their time`,
      evidence: compiled.map(
        ({ ms, part, plan, sql }) =>
          `compiling takes ${ms.toFixed(1)} of ${plan.executionMs.toFixed(1)} ms (${formatRatio(part)}): ${shownSql(sql)}`,
      ),
    },
  };
}

const HIT_RATE_LEAST = 0.99;
const SETTINGS = {
  "pg-random-page-cost": "random_page_cost",
  "pg-effective-cache-size": "effective_cache_size",
} as const;

function costIdea(
  { executed, values, bufferHitRate, whatIf }: SettingsInput,
  role: PlansChanged["role"],
): Verdict {
  const name = SETTINGS[role];
  if (bufferHitRate === undefined)
    return notWorth(name, "how much comes from memory was not measured");
  if (bufferHitRate < HIT_RATE_LEAST) {
    return notWorth(
      name,
      `${formatRatio(bufferHitRate)} of the blocks were found in memory, and the rest were really read`,
    );
  }
  const tried = whatIf.filter((each) => each.role === role);
  const [best] = tried.toSorted((a, b) => b.changed.length - a.changed.length);
  if (!best) return notWorth(name, "it is what data in memory warrants already");
  if (best.changed.length === 0) {
    return notWorth(name, `at ${best.to} the planner would choose the same plans`);
  }
  const changed = executed.filter(({ id }) => best.changed.includes(id));
  return {
    kind: "idea",
    idea: {
      role,
      to: best.to,
      hypothesis: `${name} as data in memory warrants changes the plan of ${changed.length} of ${executed.length} statements for the better`,
      evidence: [
        `${formatRatio(bufferHitRate)} of the blocks were found in PostgreSQL's memory, and ${name} is ${String(values[role])}`,
        ...changed.map(({ sql }) => `another plan then, by EXPLAIN: ${shownSql(sql)}`),
      ],
    },
  };
}

const SQL_SHOWN = 160;

function shownSql(sql: string): string {
  const line = sql.replaceAll(/\s+/g, " ").trim();
  return line.length > SQL_SHOWN ? `${line.slice(0, SQL_SHOWN - 1)}…` : line;
}
