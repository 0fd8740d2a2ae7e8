// The endpoint metrics/get-history: every point of one metric of one run.

import type { Answer } from "./cache/answer.ts";
import { runScope } from "./cache/keys.ts";
import { readEndpoint } from "./endpoint.ts";
import type { Backend, Endpoint } from "./endpoint.ts";
import { key, runId } from "./fields.ts";
import { presentMetric } from "./measurement.ts";
import type { MetricRow } from "./measurement.ts";
import { cutPage, readPageToken } from "./page.ts";
import { noRun } from "./runs.ts";
import { record, text, whole } from "./shape.ts";
import type { Shaped } from "./shape.ts";

const PAGE_MAX = 25_000;

const historyInput = record(
  { run_id: runId, metric_key: key },
  { max_results: whole(1, PAGE_MAX), page_token: text(200, 0) },
);

export function metricHistoryEndpoints(backend: Backend): Endpoint[] {
  return [
    readEndpoint(
      "GET",
      "metrics/get-history",
      historyInput,
      (input) => readHistory(backend, input),
      { keepable: false },
    ),
  ];
}

function readHistory(backend: Backend, input: Shaped<typeof historyInput>): Promise<Answer> {
  const { run_id: runId, metric_key: key } = input;
  const limit = input.max_results ?? PAGE_MAX;
  const offset = readPageToken(input.page_token);
  const what = {
    entity: "metrics/get-history",
    scopes: [runScope(runId)],
    parameters: [key, limit, offset],
    costly: true,
  };
  return backend.cache.read(what, async () => {
    const found = await backend.database.query<MetricRow>(
      `SELECT key, value, is_nan, timestamp, step FROM metrics WHERE run_id = $1 AND key = $2
       ORDER BY timestamp, step, value LIMIT $3 OFFSET $4`,
      [runId, key, limit + 1, offset],
    );
    if (found.length === 0) {
      const run = await backend.database.query("SELECT 1 FROM runs WHERE run_id = $1", [runId]);
      if (run.length === 0) throw noRun(runId);
    }
    const { rows: page, ...token } = cutPage(found, offset, limit);
    return JSON.stringify({ metrics: page.map(presentMetric), ...token });
  });
}
