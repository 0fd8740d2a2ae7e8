/** Section "exact changes": what is applied to the real target, how to have it elsewhere, and the command that undoes it. */
import type { ChangeRecord, NetKnob } from "../changes.ts";
import { createIndexSql, qualifiedName } from "../../core/index-definition.ts";
import type { Knob, KnobValue } from "../../core/knob.ts";
import { cite, describeChange, formatKnobValue } from "../format.ts";
import { blocks, code, codeBlock, plain, table } from "../markdown-text.ts";
import type { Summary } from "../summary.ts";

export function keptSection(summary: Summary, rollbackCommand: string): string {
  const { net, changes, knobs, kept } = summary;
  const nothing = net.knobs.length === 0 && net.indexes.length === 0;
  return blocks([
    nothing ? nothingText(summary) : netTable(summary),
    changes.every(({ state }) => state === "reverted")
      ? undefined
      : `The command that undoes all of it:\n\n${codeBlock("sh", [rollbackCommand])}`,
    ...(nothing ? [] : copyText(summary)),
    changes.length > 0 ? recordsTable(changes, knobs) : undefined,
    kept.length > 0 && changes.length === 0
      ? "The journal shows a decision to keep, but not that anything was applied to the real target."
      : undefined,
  ]);
}

function nothingText({ changes }: Summary): string {
  if (changes.length === 0)
    return "Nothing of this run is applied: the target is as it was before. There is nothing to undo.";
  return changes.every(({ state }) => state === "reverted")
    ? "Nothing of this run is applied at the journal's end: every change was taken back."
    : "**It is not known what is applied:** the journal ends in the middle of a change.";
}

function netTable({ net, knobs }: Summary): string {
  return table(
    ["what", "from", "to", "source"],
    [
      ...net.knobs.map(({ knob, from, to, seqs }) => {
        const known = knobs.find((each) => each.id === knob);
        return [
          code(knob),
          plain(formatKnobValue(known, from)),
          plain(formatKnobValue(known, to)),
          cite(seqs),
        ];
      }),
      ...net.indexes.map(({ index, seqs }) => [
        `index ${code(index.name)} on ${code(`${index.schema}.${index.table}`)}`,
        "absent",
        "created",
        cite(seqs),
      ]),
    ],
  );
}

/** The same state for a deployment that perfopt does not run: by environment, by SQL, by Redis configuration. */
function copyText({ net, knobs }: Summary): readonly (string | undefined)[] {
  const env = net.knobs.flatMap((change) => envLine(change, knobs));
  const redis = net.knobs.flatMap((change) => redisLines(change, knobs));
  const unknown = net.knobs.filter(({ knob }) => !knobs.some((each) => each.id === knob));
  return [
    env.length > 0
      ? `To have the same in your own deployment, set in the service's environment:\n\n${codeBlock("sh", env)}`
      : undefined,
    net.indexes.length > 0
      ? `In PostgreSQL, outside a transaction (check afterwards that \`pg_index.indisvalid\` is true, and drop and repeat if it is not):\n\n${codeBlock(
          "sql",
          net.indexes.map(({ index }) => `${createIndexSql(index, "concurrently")};`),
        )}\n\nAnd back:\n\n${codeBlock(
          "sql",
          net.indexes.map(
            ({ index: { schema, name } }) =>
              `DROP INDEX CONCURRENTLY IF EXISTS ${qualifiedName(schema, name)};`,
          ),
        )}`
      : undefined,
    redis.length > 0
      ? `In Redis, live until it restarts (write it to redis.conf as well):\n\n${codeBlock("text", redis)}`
      : undefined,
    unknown.length > 0
      ? `The journal does not say how ${unknown.map(({ knob }) => code(knob)).join(", ")} ${unknown.length === 1 ? "is" : "are"} set; see the target file.`
      : undefined,
  ];
}

function envLine({ knob: id, from, to }: NetKnob, knobs: readonly Knob[]): readonly string[] {
  const knob = knobs.find((each) => each.id === id);
  if (knob?.set.kind !== "env") return [];
  const { variable, unit } = knob.set;
  return [`${variable}=${shellWord(inUnit(to, unit))}    # was ${inUnit(from, unit)}`];
}

function redisLines({ knob: id, from, to }: NetKnob, knobs: readonly Knob[]): readonly string[] {
  const knob = knobs.find((each) => each.id === id);
  if (knob?.set.kind !== "redis") return [];
  const { parameter } = knob.set;
  return [
    `CONFIG SET ${parameter} ${String(to)}`,
    `# was: CONFIG SET ${parameter} ${String(from)}`,
  ];
}

const divisors = { ms: 1, s: 1_000, bytes: 1, mb: 1024 ** 2 } as const;

function inUnit(value: KnobValue, unit: keyof typeof divisors | undefined): string {
  return typeof value === "number" ? String(value / divisors[unit ?? "ms"]) : String(value);
}

function shellWord(text: string): string {
  return /^[\w.,:/-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

function recordsTable(changes: readonly ChangeRecord[], knobs: readonly Knob[]): string {
  return blocks([
    "Every change of the real target, in order:",
    table(
      ["change", "state at the journal's end", "verified by", "source"],
      changes.map(({ change, state, detail, seqs }) => [
        plain(describeChange(change, knobs)),
        stateWords[state],
        plain(detail) || "nothing in the journal",
        cite(seqs),
      ]),
    ),
  ]);
}

const stateWords = {
  applying: "**unknown: begun, no outcome**",
  applied: "applied",
  reverting: "**unknown: undoing begun, no outcome**",
  reverted: "undone",
} as const;
