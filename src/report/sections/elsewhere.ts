/** The same state for a deployment that perfopt does not run: by environment, by Node's options, by SQL, by Redis configuration. */
import { createIndexSql, qualifiedName } from "../../core/index-definition.ts";
import type { TargetFacts } from "../../core/event.ts";
import type { Knob, KnobSetter } from "../../core/knob.ts";
import { alterRoleSql, nodeFlag, writeValue } from "../../core/knob-text.ts";
import { createStatisticsSql } from "../../core/statistics-definition.ts";
import type { NetChanges, NetKnob } from "../changes.ts";
import { code, codeBlock } from "../markdown-text.ts";

type Sessions = NonNullable<TargetFacts["sessions"]>;

/** Of journals that do not say. */
const NAMES_UNKNOWN: Sessions = { role: "service_role", database: "service_database" };

export function elsewhereText(
  net: NetChanges,
  knobs: readonly Knob[],
  sessions: Sessions | undefined,
): readonly (string | undefined)[] {
  const env = [
    ...knownBy("env", net, knobs).map(envLine),
    ...nodeOptionsLines(knownBy("node-option", net, knobs)),
  ];
  const redis = knownBy("redis", net, knobs).flatMap(redisLines);
  const postgres = knownBy("postgres", net, knobs).map((each) => postgresLine(each, sessions));
  const unknown = net.knobs.filter(({ knob }) => !knobs.some((each) => each.id === knob));
  return [
    env.length > 0
      ? `To have the same in your own deployment, set in the service's environment:\n\n${codeBlock("sh", env)}`
      : undefined,
    indexesText(net),
    statisticsText(net),
    postgres.length > 0
      ? `In PostgreSQL, for the role that the service connects as, in force for new connections${sessions ? " (names of the measured service; put in your own)" : " (put in both names)"}:\n\n${codeBlock("sql", postgres)}`
      : undefined,
    redis.length > 0
      ? `In Redis, live until it restarts (write it to redis.conf as well):\n\n${codeBlock("text", redis)}`
      : undefined,
    unknown.length > 0
      ? `The journal does not say how ${unknown.map(({ knob }) => code(knob)).join(", ")} ${unknown.length === 1 ? "is" : "are"} set; see the target file.`
      : undefined,
  ];
}

function indexesText({ indexes }: NetChanges): string | undefined {
  if (indexes.length === 0) return undefined;
  return `In PostgreSQL, outside a transaction (check afterwards that \`pg_index.indisvalid\` is true, and drop and repeat if it is not):\n\n${codeBlock(
    "sql",
    indexes.map(({ index }) => `${createIndexSql(index, "concurrently")};`),
  )}\n\nAnd back:\n\n${codeBlock(
    "sql",
    indexes.map(
      ({ index: { schema, name } }) =>
        `DROP INDEX CONCURRENTLY IF EXISTS ${qualifiedName(schema, name)};`,
    ),
  )}`;
}

/** Nothing is known of the columns together before the table is analysed. */
function statisticsText({ statistics }: NetChanges): string | undefined {
  if (statistics.length === 0) return undefined;
  const tables = new Set(
    statistics.map(({ statistics: { schema, table } }) => qualifiedName(schema, table)),
  );
  return `Extended statistics, in force after the ANALYZE:\n\n${codeBlock("sql", [
    ...statistics.map((each) => `${createStatisticsSql(each.statistics)};`),
    ...[...tables].map((table) => `ANALYZE ${table};`),
  ])}\n\nAnd back:\n\n${codeBlock(
    "sql",
    statistics.map(
      ({ statistics: { schema, name } }) =>
        `DROP STATISTICS IF EXISTS ${qualifiedName(schema, name)};`,
    ),
  )}`;
}

type SetterOf<K extends KnobSetter["kind"]> = Extract<KnobSetter, { kind: K }>;

interface Known<K extends KnobSetter["kind"]> extends NetKnob {
  readonly known: Knob;
  readonly set: SetterOf<K>;
}

function knownBy<K extends KnobSetter["kind"]>(
  kind: K,
  net: NetChanges,
  knobs: readonly Knob[],
): readonly Known<K>[] {
  return net.knobs.flatMap((change) => {
    const known = knobs.find((each) => each.id === change.knob);
    if (!known || !isSetter(known.set, kind)) return [];
    return [{ ...change, known, set: known.set }];
  });
}

function isSetter<K extends KnobSetter["kind"]>(set: KnobSetter, kind: K): set is SetterOf<K> {
  return set.kind === kind;
}

function envLine({ from, to, known, set: { variable } }: Known<"env">): string {
  return `${variable}=${shellWord(writeValue(known, to))}    # was ${writeValue(known, from)}`;
}

/** One variable holds all of Node's flags, the user's own among them. */
function nodeOptionsLines(all: readonly Known<"node-option">[]): readonly string[] {
  if (all.length === 0) return [];
  const flags = all.flatMap(({ known, set, to }) => nodeFlag(set.flag, known, to) ?? []);
  const was = all.flatMap(({ known, set, from }) => nodeFlag(set.flag, known, from) ?? []);
  return [
    `NODE_OPTIONS="${["$NODE_OPTIONS", ...flags].join(" ")}"    # was ${was.length === 0 ? "without such a flag" : `with ${was.join(" ")}`}`,
  ];
}

function redisLines({ from, to, set: { parameter } }: Known<"redis">): readonly string[] {
  return [
    `CONFIG SET ${parameter} ${String(to)}`,
    `# was: CONFIG SET ${parameter} ${String(from)}`,
  ];
}

function postgresLine(
  { from, to, known, set: { parameter } }: Known<"postgres">,
  sessions: Sessions = NAMES_UNKNOWN,
): string {
  const sql = alterRoleSql({ ...sessions, parameter }, writeValue(known, to));
  return `${sql};    -- was ${writeValue(known, from)}; back to none of its own: ${alterRoleSql({ ...sessions, parameter }, undefined)};`;
}

function shellWord(text: string): string {
  return /^[\w.,:/-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
