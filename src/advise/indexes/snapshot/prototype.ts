/** Reads the format that came before perfopt's own: the same facts under PostgreSQL's own names, and no `format` in it. */
import { z } from "zod";
import { qualifiedName } from "../../../core/index-definition.ts";
import { readConstraint, readIndex, readQualifiedName, readStatistics } from "./definitions.ts";
import { hasOrder, type TypeNames } from "./types.ts";
import { checkedSnapshot } from "./schema.ts";
import type { Snapshot, SnapshotIndex, SnapshotType } from "./snapshot.ts";

const text = z.string();
const maybeText = text.nullish().transform((value) => value ?? null);
const number = z.coerce.number();
const names = z
  .array(text)
  .nullish()
  .transform((value) => value ?? []);

const column = z.object({
  num: number,
  name: text,
  dropped: z.boolean(),
  type: text,
  nn: z.boolean(),
  gen: maybeText,
  def: maybeText,
  coll: maybeText,
});

const statistics = z.object({
  nsp: text,
  rel: text,
  att: text,
  inh: z.boolean(),
  null_frac: number,
  avg_width: number,
  n_distinct: number,
  most_common_vals: maybeText,
  most_common_freqs: maybeText,
  histogram_bounds: maybeText,
  correlation: z
    .number()
    .nullish()
    .transform((value) => value ?? null),
  most_common_elems: maybeText,
  most_common_elem_freqs: maybeText,
  elem_count_histogram: maybeText,
  range_length_histogram: maybeText,
  range_empty_frac: z
    .number()
    .nullish()
    .transform((value) => value ?? null),
  range_bounds_histogram: maybeText,
});

const prototype = z.object({
  version: z.number().int().min(120_000),
  db: z.object({
    enc: text,
    datcollate: text,
    datctype: text,
    prov: maybeText,
    iculocale: maybeText,
  }),
  gucs: z.array(z.object({ name: text, setting: text, unit: maybeText })),
  extensions: z.array(z.object({ extname: text, extversion: text, nspname: text })),
  schemas: z.array(text),
  enums: z.array(z.object({ name: text, labels: names })),
  domains: z.array(z.object({ name: text, base: text })),
  functions: z.array(text),
  tables: z.array(
    z.object({
      nsp: text,
      rel: text,
      relkind: text,
      reloptions: names,
      partkey: maybeText,
      bound: maybeText,
      parents: names,
      cols: z.array(column),
    }),
  ),
  constraints: z.array(
    z.object({ rel: text, conname: text, contype: text, def: text, convalidated: z.boolean() }),
  ),
  indexes: z.array(z.object({ def: text })),
  extstats: z.array(z.object({ nsp: text, stxname: text, def: text })),
  extdata: z.array(
    z.object({
      nsp: text,
      stxname: text,
      inh: z.boolean(),
      nd: maybeText,
      dep: maybeText,
      mcv: maybeText,
    }),
  ),
  relstats: z.array(
    z.object({
      nsp: text,
      rel: text,
      relkind: text,
      amname: maybeText,
      relpages: number,
      reltuples: number,
      relallvisible: number,
      pages: number.nullish().transform((value) => value ?? 0),
    }),
  ),
  attrstats: z.array(statistics),
});

type Prototype = z.infer<typeof prototype>;

/** Throws ZodError, or Error for a definition that PostgreSQL's grammar does not read. `readyToParse` has to be awaited before. */
export function fromPrototype(value: unknown): Snapshot {
  const old = prototype.parse(value);
  const types: readonly SnapshotType[] = [
    ...old.enums.map((each) => ({ kind: "enum" as const, ...each })),
    ...old.domains.map((each) => ({ kind: "domain" as const, ...each })),
  ];
  const byName: TypeNames = new Map(types.map((type) => [type.name, type]));
  return checkedSnapshot({
    format: "perfopt-snapshot/1",
    takenAt: new Date(0).toISOString(),
    serverVersion: old.version,
    database: "(not told)",
    locale: localeOf(old.db),
    searchPath: ["public"],
    redacted: "nothing",
    settings: old.gucs.map(({ name, setting, unit }) => ({ name, value: setting, unit })),
    extensions: old.extensions.map(({ extname, extversion, nspname }) => ({
      name: extname,
      version: extversion,
      schema: nspname,
    })),
    schemas: old.schemas,
    types,
    functions: old.functions,
    tables: old.tables.map((table) => tableOf(table, byName)),
    views: [],
    constraints: old.constraints.map((each) => ({
      table: written(each.rel),
      name: each.conname,
      kind: CONSTRAINTS[each.contype],
      definition: each.def,
      validated: each.convalidated,
      foreignKey: readConstraint(each.rel, each.conname, each.def).foreignKey,
    })),
    indexes: indexesOf(old),
    extendedStatistics: old.extstats.map((each) => extendedOf(each, old)),
    relations: old.relstats.map(relationOf),
    columns: old.attrstats.map(columnOf),
    caveats: ["the snapshot is of an old format without counters of scans and writes"],
  });
}

/** Letters of pg_constraint.contype. */
const CONSTRAINTS: Readonly<Record<string, Snapshot["constraints"][number]["kind"]>> = {
  p: "primary key",
  u: "unique",
  x: "exclusion",
  c: "check",
  f: "foreign key",
};

function localeOf(db: Prototype["db"]): Snapshot["locale"] {
  return {
    encoding: db.enc,
    collate: db.datcollate,
    ctype: db.datctype,
    provider: db.prov === "i" ? "icu" : db.prov === "b" ? "builtin" : "libc",
    ...(db.iculocale === null ? {} : { locale: db.iculocale }),
  };
}

/** `public.region` or `"Odd".x` as `"public"."region"`. */
function written(name: string): string {
  const { schema, name: own } = readQualifiedName(name);
  return qualifiedName(schema, own);
}

/** Letters of pg_class.relkind. */
const TABLES: Readonly<Record<string, Snapshot["tables"][number]["kind"]>> = {
  r: "table",
  p: "partitioned",
  m: "materialized view",
  f: "foreign table",
};

function tableOf(table: Prototype["tables"][number], types: TypeNames): unknown {
  return {
    schema: table.nsp,
    name: table.rel,
    kind: TABLES[table.relkind],
    options: table.reloptions,
    partitionKey: table.partkey,
    partitionBound: table.bound,
    parents: table.parents.map(written),
    columns: table.cols.map((each) => ({
      number: each.num,
      name: each.name,
      dropped: each.dropped,
      type: each.dropped ? "integer" : each.type,
      notNull: each.nn && !each.dropped,
      generated: each.gen === "s" ? "stored" : each.gen === "v" ? "virtual" : "no",
      expression: each.def,
      collation: each.coll,
      ordered: !each.dropped && hasOrder(each.type, types),
    })),
    rowSecurity: false,
  };
}

/** Those of constraints are not in its list: they are what the constraints say. */
function indexesOf(old: Prototype): readonly SnapshotIndex[] {
  const types = new Map(
    old.tables.flatMap(({ nsp, rel, cols }) =>
      cols.map((each) => [JSON.stringify([nsp, rel, each.name]), each.type] as const),
    ),
  );
  const index = (definition: string, constraint: boolean): SnapshotIndex => {
    const facts = readIndex(definition, (...name) => types.get(JSON.stringify(name)) ?? null);
    return { ...facts, definition, valid: true, constraint, inherited: false, parent: null };
  };
  const made = old.constraints.flatMap(
    (each) => readConstraint(each.rel, each.conname, each.def).index ?? [],
  );
  return [
    ...made.map((definition) => index(definition, true)),
    ...old.indexes.map(({ def }) => index(def, false)),
  ];
}

function extendedOf(each: Prototype["extstats"][number], old: Prototype): unknown {
  const { table, columns, expressions } = readStatistics(each.def);
  return {
    schema: each.nsp,
    name: each.stxname,
    table: qualifiedName(table.schema, table.name),
    definition: each.def,
    columns,
    expressions,
    data: old.extdata
      .filter(({ nsp, stxname }) => nsp === each.nsp && stxname === each.stxname)
      .map(({ inh, nd, dep, mcv }) => ({
        inherited: inh,
        distinct: nd,
        dependencies: dep,
        mostCommon: mcv,
      })),
  };
}

function relationOf(each: Prototype["relstats"][number]): unknown {
  const kinds: Readonly<Record<string, string>> = {
    ...TABLES,
    i: "index",
    I: "partitioned index",
  };
  const isIndex = each.relkind === "i" || each.relkind === "I";
  return {
    schema: each.nsp,
    name: each.rel,
    kind: kinds[each.relkind],
    method: isIndex ? each.amname : null,
    pages: each.relpages,
    rows: each.reltuples,
    allVisible: each.relallvisible,
    blocks: each.pages,
  };
}

function columnOf(each: Prototype["attrstats"][number]): unknown {
  return {
    schema: each.nsp,
    table: each.rel,
    column: each.att,
    inherited: each.inh,
    nullFraction: each.null_frac,
    averageWidth: each.avg_width,
    distinct: each.n_distinct,
    mostCommonValues: each.most_common_vals,
    mostCommonShares: each.most_common_freqs,
    histogram: each.histogram_bounds,
    correlation: each.correlation,
    mostCommonElements: each.most_common_elems,
    mostCommonElementShares: each.most_common_elem_freqs,
    elementCountHistogram: each.elem_count_histogram,
    rangeLengthHistogram: each.range_length_histogram,
    rangeEmptyShare: each.range_empty_frac,
    rangeBoundsHistogram: each.range_bounds_histogram,
  };
}
