/** `advise indexes --verify`: on the copy that is made for it, queries are executed once more to see which estimates are far off. */
import { executeLimits, executeStatements } from "../advise/executed/execute.ts";
import { catalogOf } from "../advise/indexes/snapshot/catalog-of.ts";
import { misestimatesOf } from "../advise/statistics/misestimates.ts";
import { proposeStatistics, type StatisticsAdvice } from "../advise/statistics/propose.ts";
import type { Finding, IndexAdvice } from "../core/advice.ts";
import { messageOf, throwIfAborted } from "../core/errors.ts";
import { qualifiedName } from "../core/index-definition.ts";
import type { Query } from "../core/planner.ts";
import { createStatisticsSql } from "../core/statistics-definition.ts";
import { inReadOnly, rowsOf, withConnection } from "../target/sql.ts";
import type { AdviceSource } from "./advise-source.ts";
import type { ProofPlace } from "./advise-verify.ts";
import type { Context } from "./context.ts";
import type { Progress } from "./progress.ts";

export interface EstimateStudy {
  /** Executes the heaviest queries in the place, read-only. */
  readonly look: (at: ProofPlace) => Promise<void>;
  /** With what was found; as it was, where nobody looked. */
  readonly added: (advice: IndexAdvice) => IndexAdvice;
}

/** Of the heaviest statements. */
const STATEMENTS_MAX = 20;
const TOTAL_MS = 120_000;

export function estimateStudy(
  context: Context,
  { snapshot, workload }: AdviceSource,
  progress: Progress,
): EstimateStudy {
  let found: readonly Finding[] = [];
  let caveats: readonly string[] = [];
  const read = catalogOf(snapshot);
  // The copy was analysed when it was made, however long ago the original was.
  const catalog = {
    ...read,
    tables: read.tables.map((table) => ({ ...table, activity: undefined })),
  };
  return {
    look: async ({ url }) => {
      progress.say("executing queries to see which estimates are off");
      try {
        const together = <T>(use: (query: Query) => Promise<T>): Promise<T> =>
          withConnection(url, (client) =>
            inReadOnly(client, "REPEATABLE READ", () =>
              use((sql, parameters) => {
                throwIfAborted(context.signal);
                return rowsOf(client, sql, parameters);
              }),
            ),
          );
        const { executed, skipped } = await executeStatements(
          { together },
          {
            workload,
            catalog,
            views: snapshot.views,
            limits: { ...executeLimits, statementsMax: STATEMENTS_MAX, totalMs: TOTAL_MS },
            now: () => performance.now(),
          },
        );
        const misestimates = (await Promise.all(executed.map(misestimatesOf))).flat();
        const guessed = new Set(executed.filter((each) => each.guessed).map(({ id }) => id));
        found = findingsOf(proposeStatistics(misestimates, catalog, guessed));
        caveats = uncheckedInWords(skipped);
      } catch (error) {
        throwIfAborted(context.signal);
        progress.print(`estimates could not be checked: ${messageOf(error)}`);
      }
    },
    added: (advice) => {
      // What was seen in an execution stands for what was concluded from counters.
      const seen = new Set(found.map(keyOf));
      const others = advice.findings.filter((each) => !seen.has(keyOf(each)));
      return {
        ...advice,
        findings: [...others, ...found],
        caveats: [...advice.caveats, ...caveats],
      };
    },
  };
}

function uncheckedInWords(
  skipped: readonly { readonly id: string; readonly because: string }[],
): readonly string[] {
  if (skipped.length === 0) return [];
  const list = skipped.map(({ id, because }) => `${id}: ${because}`).join("; ");
  return [`statements that were not executed, so that their estimates were not checked: ${list}`];
}

function keyOf({ kind, table, statement }: Finding): string {
  return [kind, table, statement].join(" ");
}

function findingsOf({ proposed, remarks }: StatisticsAdvice): readonly Finding[] {
  return [
    ...proposed.map(({ statistics, because, misestimate }): Finding => {
      const { schema, table } = statistics;
      return {
        kind: "missing-statistics",
        table: `${schema}.${table}`,
        statement: misestimate.statement,
        detail: `${because}. Seen in an execution on the copy; what right estimates gain shows when they are there`,
        sql: `${createStatisticsSql(statistics)};\nANALYZE ${qualifiedName(schema, table)};`,
      };
    }),
    ...remarks.flatMap((remark): readonly Finding[] =>
      remark.sql === undefined || remark.table === undefined
        ? []
        : [
            {
              kind: remark.sql.startsWith("ANALYZE") ? "stale-statistics" : "missing-statistics",
              table: remark.table,
              statement: remark.statement,
              detail: remark.detail,
              sql: remark.sql,
            },
          ],
    ),
  ];
}
