/** Queries of many kinds on the bundled registry, each with the indexes that it is priced with. */
import { indexName, type IndexDefinition, type IndexKey } from "../../src/core/index-definition.ts";

export interface PricedQuery {
  readonly id: string;
  readonly sql: string;
  readonly indexes: readonly IndexDefinition[];
}

type Parts = Pick<IndexDefinition, "method" | "include" | "where">;

/** Keys: a name, a name with DESC, an expression in parentheses, each with operators after a colon. */
function on(table: string, keys: readonly string[], parts: Parts = {}): IndexDefinition {
  const definition = { schema: "public", table, columns: keys.map(keyOf), ...parts };
  return { ...definition, name: indexName(definition) };
}

function keyOf(text: string): IndexKey {
  const [key = "", operators] = text.split(" : ");
  const extra = operators === undefined ? {} : { operators };
  if (key.startsWith("(")) return { expression: key.slice(1, -1), ...extra };
  return key.endsWith(" DESC")
    ? { name: key.slice(0, -5), descending: true, ...extra }
    : { name: key, ...extra };
}

function query(id: string, sql: string, ...indexes: readonly IndexDefinition[]): PricedQuery {
  return { id, sql, indexes };
}

const RUN = "(SELECT run_id FROM runs ORDER BY run_id LIMIT 1)";
/** Seen in every scale of the seed. */
const DAY = 86_400_000;
const START = 1_720_000_000_000;

export const pricedQueries: readonly PricedQuery[] = [
  query(
    "point",
    "SELECT * FROM model_versions WHERE run_id = '629a8b208fc45ff7302bbe63b751669e'",
    on("model_versions", ["run_id"]),
  ),
  query(
    "point, common value",
    "SELECT * FROM runs WHERE user_id = 'team-06-user-1'",
    on("runs", ["user_id"]),
  ),
  query(
    "two columns",
    "SELECT * FROM metric_times WHERE run_id = '849a660d1799e834a46839e6c493131e' AND key = 'auc' ORDER BY step",
    on("metric_times", ["run_id", "key"]),
  ),
  query(
    "three columns, order",
    "SELECT step, value FROM metric_times WHERE run_id = '849a660d1799e834a46839e6c493131e' AND key = 'auc' ORDER BY step DESC LIMIT 10",
    on("metric_times", ["run_id", "key", "step"]),
  ),
  query(
    "INCLUDE, index only",
    `SELECT run_id, value FROM latest_metrics WHERE timestamp BETWEEN ${START} AND ${START + 5 * DAY}`,
    on("latest_metrics", ["timestamp"], { include: ["run_id", "value"] }),
  ),
  query(
    "top N",
    "SELECT * FROM runs ORDER BY start_time DESC LIMIT 50",
    on("runs", ["start_time DESC"]),
  ),
  query(
    "filter, top N",
    "SELECT * FROM runs WHERE experiment_id = 42 ORDER BY start_time DESC LIMIT 20",
    on("runs", ["experiment_id", "start_time DESC"]),
  ),
  query(
    "partial",
    `SELECT run_id, user_id FROM runs WHERE status = 'RUNNING' AND start_time < ${START}`,
    on("runs", ["start_time"], { where: "status = 'RUNNING'" }),
  ),
  query(
    "partial, null",
    "SELECT count(*) FROM runs WHERE end_time IS NULL",
    on("runs", ["run_id"], { where: "end_time IS NULL" }),
  ),
  query(
    "few values, bitmap",
    "SELECT avg(version) FROM model_versions WHERE current_stage = 'Production'",
    on("model_versions", ["current_stage"]),
  ),
  query(
    "range, correlated",
    `SELECT count(*), max(value) FROM metrics WHERE timestamp >= ${START} AND timestamp < ${START + DAY}`,
    on("metrics", ["timestamp"]),
  ),
  query(
    "range, uncorrelated",
    "SELECT * FROM metric_times WHERE value > 0.29 AND value < 0.2903",
    on("metric_times", ["value"]),
  ),
  query(
    "IN list",
    "SELECT * FROM params WHERE value IN ('1050', '1250', '15460', '1750')",
    on("params", ["value"]),
  ),
  query(
    "key and value",
    "SELECT run_id FROM params WHERE key = 'seed' AND value = '16478'",
    on("params", ["key", "value"]),
  ),
  query(
    "second column (skip scan)",
    `SELECT count(*) FROM runs WHERE start_time BETWEEN ${START} AND ${START + DAY}`,
    on("runs", ["status", "start_time"]),
  ),
  query(
    "nested loop",
    "SELECT m.name, v.version, v.current_stage FROM registered_models m JOIN model_versions v USING (name) WHERE m.user_id = 'team-17-user-1' AND v.current_stage = 'Production'",
    on("model_versions", ["name", "current_stage"]),
  ),
  query(
    "nested loops, three indexes",
    "SELECT e.name, r.run_id, t.value FROM experiments e JOIN runs r USING (experiment_id) JOIN metric_times t ON t.run_id = r.run_id WHERE e.creation_time < 1704500000000 AND t.key = 'auc' AND t.step = 0",
    on("experiments", ["creation_time"]),
    on("runs", ["experiment_id"]),
    on("metric_times", ["run_id", "step"]),
  ),
  query(
    "join and group",
    "SELECT e.name, count(*) FROM experiments e JOIN runs r USING (experiment_id) JOIN metric_times x ON x.run_id = r.run_id WHERE r.status = 'KILLED' AND x.key = 'auc' AND x.value > 0.99 GROUP BY 1",
    on("metric_times", ["key", "value"]),
    on("runs", ["status", "experiment_id"]),
  ),
  query(
    "latest of each",
    "SELECT DISTINCT ON (experiment_id) experiment_id, run_id, start_time FROM runs WHERE experiment_id BETWEEN 100 AND 120 ORDER BY experiment_id, start_time DESC",
    on("runs", ["experiment_id", "start_time DESC"]),
  ),
  query(
    "semi join",
    "SELECT m.name FROM registered_models m WHERE EXISTS (SELECT FROM model_versions v WHERE v.name = m.name AND v.status = 'FAILED_REGISTRATION') AND m.user_id = 'team-03-user-1'",
    on("model_versions", ["name"], { where: "status = 'FAILED_REGISTRATION'" }),
  ),
  query(
    "anti join",
    "SELECT count(*) FROM runs r WHERE NOT EXISTS (SELECT FROM model_versions v WHERE v.run_id = r.run_id)",
    on("model_versions", ["run_id"]),
  ),
  query(
    "lateral",
    "SELECT e.experiment_id, l.run_id FROM experiments e CROSS JOIN LATERAL (SELECT run_id FROM runs r WHERE r.experiment_id = e.experiment_id ORDER BY start_time DESC LIMIT 1) l WHERE e.name LIKE '/team-17/%'",
    on("runs", ["experiment_id", "start_time DESC"]),
    on("experiments", ["name : text_pattern_ops"]),
  ),
  query(
    "extended statistics",
    "SELECT count(*) FROM model_version_tags WHERE key = 'validation_status' AND value = 'pending'",
    on("model_version_tags", ["key", "value"]),
  ),
  query(
    "expression",
    "SELECT * FROM registered_models WHERE upper(name) = 'CHURN-LTV-00082'",
    on("registered_models", ["(upper(name))"]),
  ),
  query(
    "jsonb value",
    "SELECT count(*) FROM run_documents WHERE params->>'optimizer' = 'adam' AND status = 'FAILED'",
    on("run_documents", ["(params ->> 'optimizer')", "status"]),
  ),
  query(
    "jsonb contains",
    'SELECT * FROM run_documents WHERE params @> \'{"seed": "11342"}\'',
    on("run_documents", ["params : jsonb_path_ops"], { method: "gin" }),
  ),
  query(
    "array contains",
    "SELECT count(*) FROM run_documents WHERE keys @> ARRAY['early_stopping', 'subsample']",
    on("run_documents", ["keys"], { method: "gin" }),
  ),
  query(
    "words",
    "SELECT * FROM experiments WHERE to_tsvector('simple', name) @@ to_tsquery('simple', 'nonsense')",
    on("experiments", ["(to_tsvector('simple', name))"], { method: "gin" }),
  ),
  query(
    "LIKE prefix",
    "SELECT * FROM model_versions WHERE source LIKE 's3://models/team-04/130/%'",
    on("model_versions", ["source : text_pattern_ops"]),
  ),
  query(
    "LIKE inside",
    "SELECT * FROM registered_models WHERE name LIKE '%ring-detector-013%'",
    on("registered_models", ["name : gin_trgm_ops"], { method: "gin" }),
  ),
  query(
    "least and greatest",
    "SELECT min(value), max(value) FROM metric_times WHERE key = 'rmse'",
    on("metric_times", ["key", "value"]),
  ),
  query("greatest", "SELECT max(start_time) FROM runs", on("runs", ["start_time"])),
  query(
    "range past the end",
    "SELECT * FROM metrics WHERE timestamp > 1790000000000",
    on("metrics", ["timestamp"]),
  ),
  query(
    "group, index only",
    "SELECT key, count(*) FROM metric_times GROUP BY key ORDER BY 2 DESC LIMIT 10",
    on("metric_times", ["key"]),
  ),
  query(
    "bitmap and",
    "SELECT * FROM model_versions WHERE user_id = 'team-04-user-3' AND description = 'trained on snapshot 129'",
    on("model_versions", ["user_id"]),
    on("model_versions", ["description"]),
  ),
  query(
    "bitmap or",
    "SELECT * FROM runs WHERE run_name = 'sklearn-merry-740' OR experiment_id = 399",
    on("runs", ["run_name"]),
    on("runs", ["experiment_id"]),
  ),
  query(
    "partitioned",
    `SELECT * FROM metric_log WHERE run_id = ${RUN} AND key = 'loss'`,
    on("metric_log", ["run_id", "key"]),
  ),
  query(
    "partitioned, range",
    "SELECT count(*) FROM metric_log WHERE at BETWEEN '2024-05-01' AND '2024-05-02'",
    on("metric_log", ["at"]),
  ),
  query(
    "one partition, order",
    "SELECT * FROM metric_log_1 ORDER BY value DESC LIMIT 5",
    on("metric_log_1", ["value DESC"]),
  ),
  query(
    "BRIN",
    "SELECT count(*) FROM metric_times WHERE at BETWEEN '2024-05-01' AND '2024-05-03'",
    on("metric_times", ["at"], { method: "brin" }),
  ),
  query(
    "hash",
    "SELECT * FROM runs WHERE artifact_uri = 'mlflow-artifacts:/1/5491e035f70e72646e175e2f58095f87/artifacts'",
    on("runs", ["artifact_uri"], { method: "hash" }),
  ),
  query(
    "update",
    "UPDATE runs SET lifecycle_stage = 'deleted' WHERE experiment_id = 99 AND status = 'FAILED'",
    on("runs", ["experiment_id", "status"]),
  ),
  query(
    "delete",
    `DELETE FROM metric_times WHERE run_id IN (SELECT run_id FROM runs WHERE status = 'KILLED' AND start_time < ${START})`,
    on("metric_times", ["run_id"]),
    on("runs", ["status", "start_time"]),
  ),
  query(
    "window",
    "SELECT run_id, key, value, row_number() OVER (PARTITION BY key ORDER BY value DESC) FROM latest_metrics WHERE key IN ('auc', 'f1') AND value > 0.999",
    on("latest_metrics", ["key", "value DESC"]),
  ),
  query(
    "merge join",
    "SELECT t.run_id, r.experiment_id, t.value FROM metric_times t JOIN runs r ON r.run_id = t.run_id ORDER BY t.run_id LIMIT 1000",
    on("metric_times", ["run_id"]),
  ),
  query(
    "ANY of a list",
    "SELECT * FROM metrics WHERE key = ANY (ARRAY['auc', 'f1']) AND step = 149 AND value > 0.9",
    on("metrics", ["step"], { where: "value > 0.9" }),
  ),
  query(
    "expression, date",
    "SELECT count(*) FROM run_documents WHERE (started AT TIME ZONE 'UTC')::date = '2024-05-02'",
    on("run_documents", ["((started AT TIME ZONE 'UTC')::date)"]),
  ),
  query(
    "insert from select",
    "INSERT INTO query_cache SELECT run_id, key, value::text, now() FROM latest_metrics WHERE value = 5.000003",
    on("latest_metrics", ["value"]),
  ),
];
