/** Evidence to diagnosis: refuses where it cannot tell, else applies every rule and puts causes before symptoms (pure). */
import {
  bottlenecks,
  type Bottleneck,
  type Diagnosis,
  type DoctorEvidence,
  type Finding,
} from "../core/diagnosis.ts";
import { formatQuantity } from "../core/metric.ts";
import { causesOf } from "./explain.ts";
import { brokenShare, failingOf, refusedInWords, type Failing } from "./failing.ts";
import { nextFor, type NextContext } from "./next.ts";
import { hostRemarks, refusalOf } from "./refusals.ts";
import { rowsOf } from "./rows.ts";
import { judge, rulesFor, type Judged } from "./rules.ts";
import { lineForCpu, signInWords, type Sign } from "./signs.ts";
import { THRESHOLDS } from "./thresholds.ts";

export function diagnose(evidence: DoctorEvidence, context: NextContext): Diagnosis {
  const judged = rulesFor(evidence).map(judge);
  const findings = findingsOf(judged, evidence, context);
  const remarks = hostRemarks(evidence);
  const told = {
    exonerated: judged.flatMap((each) =>
      each.fired || isUnmeasured(each) ? [] : each.rule.bottleneck,
    ),
    unmeasured: judged.filter(isUnmeasured).map(({ rule, missing }) => ({
      bottleneck: rule.bottleneck,
      missing: namesOf(missing),
    })),
    rows: rowsOf(evidence, judged, findings),
    // What would have been refused is never sure.
    ...(remarks.length > 0 ? { remarks, certainty: "low" as const } : {}),
  };
  const failing = failingOf(evidence);
  // Before the machine is judged: no neighbour makes a service answer with errors.
  if (failing?.when === "always") return { ...failed(failing, context), ...told, exonerated: [] };
  const refusal = refusalOf(evidence);
  if (refusal) {
    const headline =
      refusal.verdict === "host"
        ? "The machine was too noisy: whatever the numbers say may be its neighbours' doing."
        : "The load itself was not what it should have been, so that its numbers say nothing about the service.";
    const because = [...(failing ? [failing.words] : []), ...refusal.because];
    return { ...refused(refusal.verdict, headline, because, context), ...told };
  }
  const [first] = findings;
  if (first) {
    const { bottleneck, sentence, certainty, next } = first;
    return {
      verdict: bottleneck,
      headline: [...beforehand(first, failing, evidence), sentence].join(" "),
      because: [],
      certainty,
      findings,
      next,
      ...told,
    };
  }
  if (failing) return { ...failed(failing, context), ...told };
  return { ...nothingFound(evidence, told.unmeasured.length, context), ...told };
}

/** That requests fail, or are turned away, is what its clients see: it goes before the reason. */
function beforehand(
  first: Finding,
  failing: Failing | undefined,
  evidence: DoctorEvidence,
): readonly string[] {
  const words = failing?.words ?? refusedInWords(evidence);
  // Of refusals without another reason the finding itself tells.
  if (words === undefined || (!failing && first.bottleneck === "request-limit")) return [];
  return [`Under this load ${words}.`];
}

type Answer = Omit<Diagnosis, "exonerated" | "unmeasured" | "rows" | "remarks">;

/** Findings of a refused diagnosis are not shown: they may be somebody else's. */
function refused(
  verdict: "host" | "unknown",
  headline: string,
  because: readonly string[],
  context: NextContext,
): Answer {
  return {
    verdict,
    headline,
    because,
    certainty: "low",
    findings: [],
    next: nextFor(verdict, context),
  };
}

/** Of what is broken no bottleneck is guessed. */
function failed({ when, words }: Failing, context: NextContext): Answer {
  const headline =
    when === "always"
      ? `The service fails: ${words}, with one request at a time too.`
      : `The service fails under this load: ${words}.`;
  const because = "what an error takes says nothing about what limits the service when it works";
  const next = ["send one of the requests by hand and read the service's log: errors come first"];
  return { ...refused("unknown", headline, [because], context), next };
}

function nothingFound(evidence: DoctorEvidence, unmeasured: number, context: NextContext): Answer {
  const { loaded } = evidence;
  const ill = [
    [
      loaded["load.completedShare"],
      (value: number) => value < THRESHOLDS.completedShare,
      "answered in time",
    ],
    [loaded["load.refusedShare"], isMany, "were turned away"],
    [brokenShare(loaded), isMany, "failed"],
  ] as const;
  const symptoms = ill.flatMap(([value, isIll, words]) =>
    value !== undefined && isIll(value)
      ? [`${formatQuantity("ratio", value)} of the requests ${words}`]
      : [],
  );
  if (symptoms.length > 0) {
    const starved = lineForCpu(evidence, ">=");
    if (starved.shown !== true) {
      const headline = "The service does not keep up, and nothing that was measured says why.";
      return refused("unknown", headline, symptoms, context);
    }
    // Whoever took it: on a machine that has it to give, the same service may be limited by something else or by nothing.
    const headline = "The service does not keep up, and it did not get the CPU that it wants.";
    return refused("unknown", headline, [...symptoms, signInWords(starved)], context);
  }
  if (!wasLookedInto(evidence)) {
    return refused(
      "unknown",
      "Nothing but the responses could be read, which is too little to say that nothing limits them.",
      ["neither the process nor the service's metrics nor its database could be read"],
      context,
    );
  }
  return {
    verdict: "none",
    headline: "Nothing limits the service at this load.",
    because: [],
    certainty: unmeasured === 0 ? "high" : "low",
    findings: [],
    next: nextFor("none", context),
  };
}

function isMany(share: number): boolean {
  return share > THRESHOLDS.errorRate;
}

/** From inside, from outside, or from the database's side. */
function wasLookedInto({ loaded }: DoctorEvidence): boolean {
  return (
    loaded["process.mainThreadWanting"] !== undefined ||
    loaded["loop.utilization"] !== undefined ||
    loaded["db.activeMean"] !== undefined
  );
}

function findingsOf(
  judged: readonly Judged[],
  evidence: DoctorEvidence,
  context: NextContext,
): readonly Finding[] {
  const fired = judged.filter((each) => each.fired);
  const asides = fired.flatMap(({ rule, aside }) => (aside ? rule.bottleneck : []));
  const causes = causesOf(fired.flatMap(({ rule, aside }) => (aside ? [] : rule.bottleneck)));
  const found = fired.map(({ rule, evidence: signs, missing }): Finding => {
    const cause = causes.get(rule.bottleneck);
    return {
      bottleneck: rule.bottleneck,
      sentence: rule.sentence,
      evidence: [...signs.map(signInWords), ...statementText(rule.bottleneck, evidence)],
      certainty: missing.length === 0 ? "high" : "low",
      missing: namesOf(missing),
      ...(cause === undefined ? {} : { symptomOf: cause }),
      next: nextFor(rule.bottleneck, context),
    };
  });
  /** Causes first, then what is there beside them, then symptoms; each kind in the order of explanation. */
  const place = ({ bottleneck, symptomOf }: Finding) => {
    const kind = symptomOf !== undefined ? 2 : asides.includes(bottleneck) ? 1 : 0;
    return bottlenecks.indexOf(bottleneck) + kind * bottlenecks.length;
  };
  return found.toSorted((left, right) => place(left) - place(right));
}

function statementText(bottleneck: Bottleneck, { statement }: DoctorEvidence): readonly string[] {
  return bottleneck === "slow-query" && statement ? [`the statement: ${statement.sql}`] : [];
}

function namesOf(signs: readonly Sign[]): readonly string[] {
  return [...new Set(signs.map(({ resource, title }) => `${resource}: ${title}`))];
}

function isUnmeasured({ fired, missing }: Judged): boolean {
  return !fired && missing.length > 0;
}
