/** The rules: for each bottleneck the signs that must all be there, in one way or another, and those that speak against it. */
import type { Bottleneck, DoctorEvidence } from "../core/diagnosis.ts";
import { serviceRules } from "./rules-service.ts";
import { storeRules } from "./rules-stores.ts";
import type { Sign } from "./signs.ts";

export interface Rule {
  readonly bottleneck: Bottleneck;
  /** It fires when every sign of one of these ways is shown: a missing reading never makes it fire. */
  readonly ways: readonly (readonly Sign[])[];
  /** Ways in which it is there and not the most of it: found so, it explains nothing, and is named after what else was found. */
  readonly asides?: readonly (readonly Sign[])[];
  /**
   * It does not fire when one of these is shown, for something else explains it then: another rule's bottleneck, or a lack of CPU, with
   * which a service that does not keep up is `unknown`. One that was not measured lowers the certainty.
   */
  readonly unless: readonly Sign[];
  readonly sentence: string;
}

export interface Judged {
  readonly rule: Rule;
  readonly fired: boolean;
  /** It fired in one of its `asides` only. */
  readonly aside: boolean;
  /** The signs of the way that was shown in full. */
  readonly evidence: readonly Sign[];
  /** Signs that were not measured, and that it takes to be sure: that it is so, or that it is not. */
  readonly missing: readonly Sign[];
}

export function rulesFor(evidence: DoctorEvidence): readonly Rule[] {
  const { absent = [] } = evidence;
  return [...serviceRules(evidence), ...storeRules(evidence)].filter(
    ({ bottleneck }) => !absent.includes(bottleneck),
  );
}

export function judge(rule: Rule): Judged {
  const { ways, asides = [], unless } = rule;
  const main = ways.find(isShown);
  const way = main ?? asides.find(isShown);
  const against = unless.some(({ shown }) => shown === true);
  if (way && !against) {
    const aside = main === undefined;
    return { rule, fired: true, aside, evidence: way, missing: unless.filter(isMissing) };
  }
  const silent = { rule, fired: false, aside: false, evidence: [] };
  if (against) return { ...silent, missing: [] };
  // It is known not to be so when every way has a sign that is known not to be there.
  const open = [...ways, ...asides].filter((signs) => !signs.some(({ shown }) => shown === false));
  return { ...silent, missing: open.flat().filter(isMissing) };
}

function isShown(signs: readonly Sign[]): boolean {
  return signs.every(({ shown }) => shown === true);
}

function isMissing({ shown }: Sign): boolean {
  return shown === undefined;
}
