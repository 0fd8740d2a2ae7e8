/** Section "environment": where and with what the numbers were made, and how fine they are. */
import { metricOf } from "../../core/metric.ts";
import { formatBytes } from "../../core/units.ts";
import { isUsable } from "../effects.ts";
import { cite, countOf, formatDetectable, formatSetDuration, NOT_MEASURED } from "../format.ts";
import { blocks, code, list, plain, sentence, table } from "../markdown-text.ts";
import type { Summary } from "../summary.ts";
import { effectsTable } from "./effects-table.ts";
import { limitsOf } from "./limits.ts";

export function environmentSection(summary: Summary, journalFile: string): string {
  return blocks([
    environmentTable(summary, journalFile),
    "### Noise floor",
    noiseText(summary),
    "### Checks of this report",
    checksText(summary),
    "### Limits of this measurement",
    list(limitsOf(summary)),
  ]);
}

function environmentTable({ start, outcome }: Summary, journalFile: string): string {
  const { environment, target, seed, quick, persona } = start.event;
  const rows = Object.entries(target.rowsByTable).map(([name, count]) => `${name} ${count}`);
  return table(
    ["what", "value"],
    [
      ["started", start.at],
      ["outcome", `${outcome.kind}${outcome.seq === undefined ? "" : ` (${cite([outcome.seq])})`}`],
      [
        "perfopt",
        environment.perfopt + (environment.gitCommit ? `, commit ${environment.gitCommit}` : ""),
      ],
      ["Node.js", environment.node],
      ["PostgreSQL", environment.postgres],
      ["Redis", environment.redis],
      [
        "machine",
        `${environment.cpu}, ${countOf(environment.cores, "core")}, ${formatBytes(environment.memoryBytes)} memory, ${environment.platform}`,
      ],
      ["target", `${target.title} (${target.name}), ${target.file}`],
      [
        "data",
        `${target.scale === undefined ? "" : `scale ${target.scale}, `}${formatBytes(target.databaseBytes)}, rows: ${rows.join(", ") || NOT_MEASURED}`,
      ],
      ["persona", persona.name],
      ["seed", String(seed)],
      [
        "windows",
        `${formatSetDuration(persona.workload.warmupMs)} warm-up, ${formatSetDuration(persona.workload.windowMs)} measured${quick ? ", quick run" : ""}`,
      ],
      ["raw data", `[${journalFile}](${journalFile})`],
    ].map(([what = "", value = ""]) => [what, what === "raw data" ? value : plain(value)]),
  );
}

function noiseText({ noise, start }: Summary): string {
  if (!noise) return `The noise floor was ${NOT_MEASURED}: the journal holds no A/A pairs.`;
  const objective =
    noise.event.objective ??
    start.event.persona.strategies.find((strategy) => strategy.tuner !== undefined)?.objective;
  const effects = noise.event.effects.filter(isUsable);
  return blocks([
    [
      `A/A pairs: the baseline against itself, ${countOf(noise.event.pairs, "pair")} (${cite([noise.seq])}).`,
      objective === undefined
        ? ""
        : `Minimum detectable effect: a trial of ${start.event.persona.budget.pairsMax} pairs on this machine can prove a change of ${formatDetectable(objective, noise.event.detectable)} or more in ${metricOf(objective).title}; a smaller one mostly ends inconclusive or discarded.`,
      "Whatever the table below shows is noise, for both arms were the same.",
    ]
      .filter((part) => part !== "")
      .join(" "),
    effects.length > 0
      ? effectsTable(effects, ["first arm", "second arm"])
      : `Effects of the A/A pairs: ${NOT_MEASURED}.`,
  ]);
}

function checksText({
  recheck,
  confirmBlock,
  noiseBlock,
  trials,
  warnings,
  entries,
}: Summary): string {
  const blocksOfRun = [noiseBlock, ...trials.map((trial) => trial.block), confirmBlock];
  const windows = blocksOfRun.reduce((sum, block) => sum + block.windows.length, 0);
  const invalid = blocksOfRun.flatMap((block) => block.invalid);
  const agreeing = recheck.checked + recheck.constraints - recheck.disagreements.length;
  const constraints =
    recheck.constraints > 0
      ? `, and what is said of ${countOf(recheck.constraints, "constraint")} at the usual load,`
      : "";
  return list([
    `The medians and pair counts of ${countOf(recheck.checked, "effect")}${constraints} were worked out again from the windows in the journal: ${agreeing} agree, ${recheck.disagreements.length} do not.`,
    ...recheck.disagreements.map((text) => `**Disagreement:** ${sentence(plain(text))}`),
    `${countOf(windows, "paired window")} in ${countOf(entries.length, "journal line")}; ${invalid.length} invalid${invalid.length > 0 ? ` (${cite(invalid.map(({ seq }) => seq))})` : ""}, none of them averaged in.`,
    ...warnings.map(
      ({ seq, event }) => `Warning (${cite([seq])}): ${sentence(plain(event.message))}`,
    ),
    `Every number cites lines of the journal by their ${code("seq")}.`,
  ]);
}
