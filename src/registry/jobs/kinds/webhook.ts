// Delivers one event to one webhook: at least once, with the same key each time, and one receipt.

import type { Queryable } from "../../database.ts";
import type { Job, Outcome } from "../job.ts";
import type { Receivers } from "../receivers.ts";
import { NOW_MS } from "../store.ts";

export async function deliver(
  job: Job,
  tools: { readonly database: Queryable; readonly receivers: Receivers },
  signal: AbortSignal,
): Promise<Outcome> {
  const { webhook_id: webhookId, delivery, event, data } = job.payload;
  const [webhook] = await tools.database.query<{ url: string; secret: string }>(
    "SELECT url, secret FROM webhooks WHERE webhook_id = $1",
    [webhookId],
  );
  if (webhook === undefined) return { result: { skipped: "The webhook is gone." } };
  const deliveryId = String(delivery);
  const body = JSON.stringify({ event, timestamp: job.acceptedMs, data });
  const status = await tools.receivers.post({ ...webhook, deliveryId, body }, signal);
  return {
    result: { status },
    effect: (connection) =>
      connection.query(
        `INSERT INTO webhook_receipts (delivery, webhook_id, job_id, status, delivered_ms)
         VALUES ($1, $2, $3, $4, ${NOW_MS}) ON CONFLICT (delivery) DO NOTHING`,
        [deliveryId, webhookId, job.jobId, status],
      ),
  };
}
