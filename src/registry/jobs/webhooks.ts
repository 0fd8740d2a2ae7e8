// Who wants to hear of which events: known in every process, so that a write asks nobody whether anybody listens.

import { randomUUID } from "node:crypto";
import type { Queryable } from "../database.ts";
import type { NewJob } from "./job.ts";

export const EVENTS = [
  "model_version.created",
  "model_version.stage_transitioned",
  "model_version_alias.created",
  "model_version_alias.deleted",
] as const;
export type EventName = (typeof EVENTS)[number];

export type Event = { readonly name: EventName; readonly data: Readonly<Record<string, unknown>> };

export type Listeners = {
  /** One job for each webhook that wants the event; none costs nothing. */
  readonly jobsOf: (event: Event) => readonly NewJob[];
  readonly listens: (event: EventName) => boolean;
  /** Reads the webhooks again; a failure leaves what is known. */
  readonly reload: () => Promise<void>;
  /** Reads them again if the stamp is not the one they were last read for. */
  readonly seen: (stamp: string) => Promise<void>;
};

type WebhookRow = { webhook_id: number; events: EventName[] };

export function createListeners(database: Queryable): Listeners {
  let byEvent: ReadonlyMap<EventName, readonly number[]> = new Map();
  let stampKnown = "";

  async function reload(): Promise<void> {
    const rows = await database.query<WebhookRow>(
      "SELECT webhook_id, events FROM webhooks ORDER BY webhook_id",
    );
    byEvent = new Map(
      EVENTS.map((event) => [
        event,
        rows.filter(({ events }) => events.includes(event)).map((row) => row.webhook_id),
      ]),
    );
  }

  return {
    listens: (event) => (byEvent.get(event)?.length ?? 0) > 0,
    jobsOf: ({ name, data }) => (byEvent.get(name) ?? []).map((id) => deliveryJob(id, name, data)),
    reload,
    async seen(stamp) {
      if (stamp === stampKnown) return;
      await reload();
      stampKnown = stamp;
    },
  };
}

export function deliveryJob(
  webhookId: number,
  event: string,
  data: Readonly<Record<string, unknown>>,
): NewJob {
  return {
    kind: "webhook",
    class: "normal",
    payload: { webhook_id: webhookId, delivery: randomUUID(), event, data },
  };
}
