/** The same state for a deployment that perfopt does not run: by environment, by Node's options, by SQL, by Redis configuration. */
import { createIndexSql, qualifiedName } from "../../core/index-definition.ts";
import type { Knob, KnobSetter, KnobValue } from "../../core/knob.ts";
import { createStatisticsSql } from "../../core/statistics-definition.ts";
import type { NetChanges, NetKnob } from "../changes.ts";
import { code, codeBlock } from "../markdown-text.ts";

export function elsewhereText(
  net: NetChanges,
  knobs: readonly Knob[],
): readonly (string | undefined)[] {
  const env = [
    ...knownBy("env", net, knobs).map(envLine),
    ...nodeOptionsLines(knownBy("node-option", net, knobs)),
  ];
  const redis = knownBy("redis", net, knobs).flatMap(redisLines);
  const postgres = knownBy("postgres", net, knobs).map(postgresLine);
  const unknown = net.knobs.filter(({ knob }) => !knobs.some((each) => each.id === knob));
  return [
    env.length > 0
      ? `To have the same in your own deployment, set in the service's environment:\n\n${codeBlock("sh", env)}`
      : undefined,
    indexesText(net),
    statisticsText(net),
    postgres.length > 0
      ? `In PostgreSQL, for the role that the service connects as, in force for new connections (put in both names):\n\n${codeBlock("sql", postgres)}`
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
  readonly domain: Knob["domain"]["kind"];
  readonly set: SetterOf<K>;
}

function knownBy<K extends KnobSetter["kind"]>(
  kind: K,
  net: NetChanges,
  knobs: readonly Knob[],
): readonly Known<K>[] {
  return net.knobs.flatMap((change) => {
    const knob = knobs.find((each) => each.id === change.knob);
    if (!knob || !isSetter(knob.set, kind)) return [];
    return [{ ...change, domain: knob.domain.kind, set: knob.set }];
  });
}

function isSetter<K extends KnobSetter["kind"]>(set: KnobSetter, kind: K): set is SetterOf<K> {
  return set.kind === kind;
}

function envLine({ from, to, set: { variable, unit } }: Known<"env">): string {
  return `${variable}=${shellWord(inUnit(to, unit))}    # was ${inUnit(from, unit)}`;
}

/** One variable holds all of Node's flags, the user's own among them. */
function nodeOptionsLines(known: readonly Known<"node-option">[]): readonly string[] {
  if (known.length === 0) return [];
  const flags = known.map(({ set, to }) => flagText(set, to)).filter((flag) => flag !== "");
  const was = known.map(({ set, from }) => flagText(set, from)).filter((flag) => flag !== "");
  return [
    `NODE_OPTIONS="${["$NODE_OPTIONS", ...flags].join(" ")}"    # was ${was.length === 0 ? "without such a flag" : `with ${was.join(" ")}`}`,
  ];
}

/** 0 leaves the flag out. */
function flagText({ flag, unit }: SetterOf<"node-option">, value: KnobValue): string {
  return value === 0 ? "" : `${flag}=${inUnit(value, unit ?? "bytes")}`;
}

function redisLines({ from, to, set: { parameter } }: Known<"redis">): readonly string[] {
  return [
    `CONFIG SET ${parameter} ${String(to)}`,
    `# was: CONFIG SET ${parameter} ${String(from)}`,
  ];
}

function postgresLine({ from, to, domain, set: { parameter } }: Known<"postgres">): string {
  const written = (value: KnobValue) => settingText(value, domain);
  return `ALTER ROLE service_role IN DATABASE service_database SET ${parameter} = ${written(to)};    -- was ${written(from)}`;
}

function settingText(value: KnobValue, domain: Knob["domain"]["kind"]): string {
  if (typeof value === "boolean") return value ? "on" : "off";
  if (typeof value === "string") return `'${value.replaceAll("'", "''")}'`;
  if (domain === "duration") return `'${value}ms'`;
  if (domain !== "bytes") return String(value);
  return value % 1024 ** 2 === 0 ? `'${value / 1024 ** 2}MB'` : `'${Math.round(value / 1024)}kB'`;
}

const divisors = { ms: 1, s: 1_000, bytes: 1, mb: 1024 ** 2 } as const;

function inUnit(value: KnobValue, unit: keyof typeof divisors | undefined): string {
  return typeof value === "number" ? String(value / divisors[unit ?? "ms"]) : String(value);
}

function shellWord(text: string): string {
  return /^[\w.,:/-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
