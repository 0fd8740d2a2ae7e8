/** Section 2: the command word by word, the plan, how candidates are compared, and the load they are compared under. */
import { formatRatio, significant } from "../../core/units.ts";
import { cite, countOf, formatSetDuration, neat, NOT_MEASURED } from "../format.ts";
import { blocks, code, plain, sentence, table } from "../markdown-text.ts";
import type { PhaseSummary } from "../phases.ts";
import type { Summary } from "../summary.ts";

export function invocationSection(summary: Summary): string {
  const { command } = summary.start.event;
  return blocks([
    `${code(["perfopt", ...wordsOf(command)].join(" "))} (${cite([summary.start.seq])})`,
    table(
      ["words", "meaning"],
      grouped(wordsOf(command)).map(({ word, value }) => [
        code(value === undefined ? word : `${word} ${value}`),
        plain(meaningOf(word)),
      ]),
    ),
    "### The plan",
    table(
      ["phase", "strategy", "run by", "time it may use", "why it can help, and when it cannot"],
      summary.phases.map(planRow),
    ),
    "### How candidates are compared",
    designText(summary),
    "### The load",
    loadText(summary),
  ]);
}

function wordsOf(command: readonly string[]): readonly string[] {
  return /(^|\/)perfopt(\.[cm]?js)?$/.test(command[0] ?? "") ? command.slice(1) : command;
}

/** An option with the value behind it, as `--persona NAME` or `--persona=NAME`. */
function grouped(words: readonly string[]): readonly { word: string; value: string | undefined }[] {
  const groups: { word: string; value: string | undefined }[] = [];
  for (const text of words) {
    const last = groups.at(-1);
    const [word = text, ...rest] = text.split("=");
    if (text.startsWith("-"))
      groups.push({ word, value: rest.length > 0 ? rest.join("=") : undefined });
    else if (last?.word.startsWith("-") && last.value === undefined) last.value = text;
    else groups.push({ word: text, value: undefined });
  }
  return groups;
}

const meanings: Readonly<Record<string, string>> = {
  run: "the whole loop: observe, try candidates in interleaved pairs, keep what is proven, undo the rest, confirm, report",
  "--persona": "whose objectives, strategies and constraints count",
  "--target": "the file that says how the service is started, loaded and tuned",
  "--phases": "only these strategies of the persona",
  "--budget": "the most time the run may take",
  "--seed":
    "the random numbers of the requests and of the order of arms; the same seed sends the same requests",
  "--scale": "how much data the service is seeded with",
  "--output": "the folder of this report",
  "--quick": "shorter windows and fewer pairs: a look at the loop, with wide intervals",
  "--yes": "no question before the target is changed",
  "--busy-machine":
    "windows were used also where other programs or the hypervisor took CPU time meanwhile: noise is larger, the pairs judge all the same",
  "--performance": "the persona's performance objectives first (the default)",
  "--user-centric": "endpoints weighed by user journeys and Apdex",
  "--uc": "endpoints weighed by user journeys and Apdex",
  "--seq": "personas and phases one after another (the default)",
  "--lang": "the language of the report",
};

function meaningOf(word: string): string {
  return meanings[word] ?? "given by the user; the report knows no meaning of it";
}

function planRow({ number, plan }: PhaseSummary): readonly string[] {
  return [
    String(number),
    plain(plan.title),
    plan.tuner === undefined ? "**cannot run in this version**" : code(plan.tuner),
    plan.tuner === undefined
      ? "none"
      : formatSetDuration(Math.round(plan.budgetMs / 1_000) * 1_000),
    plain(plan.rationale),
  ];
}

function designText({ start }: Summary): string {
  const { persona, target } = start.event;
  return [
    sentence(plain(target.design)),
    "The two arms are measured back to back in pairs, in random order, with the same requests; only one is under load at a time.",
    `A candidate is kept only when the interval of its paired effect excludes no change, the effect is at least the persona's minimum (${neat(formatRatio(persona.minEffect.ratio))} for ratios, ${neat(significant(persona.minEffect.difference * 100))} points for shares) and every constraint holds; a trial may use up to ${countOf(persona.budget.pairsMax, "pair")}.`,
    "Probes are single windows: they steer the search and decide nothing. One run before and one after decides nothing either, because with no effect at all it improves half the time.",
  ].join(" ");
}

function loadText({ rate, start }: Summary): string {
  const { workload } = start.event.persona;
  const windows = `Each window warms up for ${formatSetDuration(workload.warmupMs)} and is measured for ${formatSetDuration(workload.windowMs)}; latency counts from the intended start of a request, and a request slower than ${formatSetDuration(workload.timeoutMs)} counts as a timeout.`;
  if (!rate)
    return `Workload ${code(workload.name)}, ${workload.arrivals} arrivals. The rate was ${NOT_MEASURED}: the run ended before it was set. ${windows}`;
  const saturation = rate.event.saturationRequestsPerSecond;
  return [
    `Workload ${code(workload.name)}, ${workload.arrivals} arrivals at **${significant(rate.event.requestsPerSecond)} requests/s** in every window (${cite([rate.seq])}).`,
    `How it was set: ${sentence(plain(rate.event.how))}`,
    saturation === undefined
      ? ""
      : `A closed loop reached ${significant(saturation)} requests/s on the baseline.`,
    windows,
  ]
    .filter((part) => part !== "")
    .join(" ");
}
