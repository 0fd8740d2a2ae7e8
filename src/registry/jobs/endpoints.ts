// Endpoints under jobs, reports and webhooks.

import { randomBytes } from "node:crypto";
import type { Answer } from "../cache/answer.ts";
import type { Scope } from "../cache/keys.ts";
import { readEndpoint, writeEndpoint } from "../endpoint.ts";
import type { Backend, Endpoint } from "../endpoint.ts";
import { doesNotExist, invalidParameter } from "../errors.ts";
import { key, name, version } from "../fields.ts";
import { noModel } from "../models.ts";
import { list, oneOf, record, text, whole } from "../shape.ts";
import type { Shaped } from "../shape.ts";
import { noVersion } from "../versions.ts";
import { deadLetterEndpoints, uncached } from "./dead-letters.ts";
import { CLASSES, KINDS } from "./job.ts";
import type { JobClass, NewJob } from "./job.ts";
import type { SubjectCondition } from "./intake.ts";
import type { Jobs } from "./jobs.ts";
import { readReport } from "./kinds/report.ts";
import { deliveryJob, EVENTS } from "./webhooks.ts";

/** Announced like a write to cached data, so that every process reads its webhooks again. */
export const WEBHOOKS: Scope = "webhooks";

const WEBHOOKS_MAX = 100;
const KEYS_MAX = 100;
const PING = "registry.ping";
const UNCACHED = { keepable: false };

const jobId = whole(1);
const createInput = record(
  { kind: oneOf(KINDS) },
  {
    priority: oneOf(CLASSES),
    name,
    version,
    required_tags: list(key, KEYS_MAX),
    required_metrics: list(key, KEYS_MAX),
    webhook_id: jobId,
  },
);
const webhookInput = record(
  { url: text(2_000) },
  { secret: text(256), events: list(oneOf(EVENTS), EVENTS.length) },
);

export function jobEndpoints(backend: Backend): Endpoint[] {
  const { jobs } = backend;
  if (jobs === undefined) return [];
  return [
    writeEndpoint("POST", "jobs/create", createInput, (input) => createJob(jobs, input)),
    readEndpoint(
      "GET",
      "jobs/get",
      record({ job_id: jobId }),
      (input) => readJob(backend, input.job_id),
      UNCACHED,
    ),
    readEndpoint(
      "GET",
      "reports/get",
      record({ job_id: jobId }),
      async (input) => ({ body: await readReport(backend.database, input.job_id) }),
      UNCACHED,
    ),
    ...deadLetterEndpoints(backend, jobs),
    writeEndpoint("POST", "webhooks/create", webhookInput, (input) =>
      createWebhook(backend, jobs, input),
    ),
    readEndpoint("GET", "webhooks/list", record({}), () => listWebhooks(backend), UNCACHED),
    writeEndpoint("DELETE", "webhooks/delete", record({ webhook_id: jobId }), (input) =>
      deleteWebhook(backend, jobs, input.webhook_id),
    ),
  ];
}

async function createJob(jobs: Jobs, input: Shaped<typeof createInput>): Promise<object> {
  const { subject, payload, missing } = askedFor(input);
  const job: NewJob = { kind: input.kind, class: input.priority ?? "normal", payload };
  const id = await jobs.accept(job, subject);
  if (id === undefined) throw missing();
  return { job: { job_id: String(id), kind: job.kind, priority: job.class, state: "waiting" } };
}

type Asked = {
  readonly subject: SubjectCondition;
  readonly payload: NewJob["payload"];
  readonly missing: () => Error;
};

/** What a job is about, and the condition under which that exists: asked in the statement that stores the job. */
function askedFor(input: Shaped<typeof createInput>): Asked {
  const { kind, name, version, webhook_id: webhookId } = input;
  if (kind === "webhook") {
    const id = required(webhookId, "webhook_id", kind);
    const { payload } = deliveryJob(id, PING, {});
    const condition = "EXISTS (SELECT 1 FROM webhooks WHERE webhook_id = $6)";
    return { subject: { condition, values: [id] }, payload, missing: () => noWebhook(id) };
  }
  const model = required(name, "name", kind);
  if (kind === "report") {
    const condition = "EXISTS (SELECT 1 FROM registered_models WHERE name = $6)";
    const subject = { condition, values: [model] };
    return { subject, payload: { name: model }, missing: () => noModel(model) };
  }
  const number = required(version, "version", kind);
  const { required_tags, required_metrics } = input;
  return {
    subject: {
      condition: "EXISTS (SELECT 1 FROM model_versions WHERE name = $6 AND version = $7)",
      values: [model, number],
    },
    payload: { name: model, version: number, required_tags, required_metrics },
    missing: () => noVersion(model, number),
  };
}

function required<T>(value: T | undefined, field: string, kind: string): T {
  if (value === undefined)
    throw invalidParameter(
      `Invalid value for parameter '${field}': a job of kind ${kind} needs it.`,
    );
  return value;
}

type JobRow = {
  job_id: string;
  kind: string;
  priority: JobClass;
  state: string;
};

async function readJob(backend: Backend, jobId: number): Promise<Answer> {
  const [job] = await backend.database.query<JobRow>(
    `SELECT job_id::text, kind, class AS priority, payload, state, attempt AS attempts, history AS failed_attempts,
       accepted_ms, started_ms, finished_ms, result, replay_of::text FROM jobs WHERE job_id = $1`,
    [jobId],
  );
  if (job === undefined) throw doesNotExist(`There is no job ${jobId}.`);
  return uncached({ job });
}

async function createWebhook(
  backend: Backend,
  jobs: Jobs,
  input: Shaped<typeof webhookInput>,
): Promise<object> {
  const { url, secret = randomBytes(32).toString("base64url"), events = EVENTS } = input;
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol))
    throw invalidParameter("Invalid value for parameter 'url': it is not a URL of http or https.");
  const [webhook] = await backend.database.query(
    `INSERT INTO webhooks (url, secret, events, creation_timestamp)
     SELECT $1, $2, $3, $4::bigint WHERE (SELECT count(*) FROM webhooks) < ${WEBHOOKS_MAX}
     RETURNING webhook_id::text, url, secret, events, creation_timestamp`,
    [url, secret, events, Date.now()],
  );
  if (webhook === undefined)
    throw invalidParameter(`There are ${WEBHOOKS_MAX} webhooks already; delete one first.`);
  await tellWebhooks(backend, jobs);
  return { webhook };
}

/** Secrets are told once, when they are made. */
async function listWebhooks(backend: Backend): Promise<Answer> {
  const webhooks = await backend.database.query(
    "SELECT webhook_id::text, url, events, creation_timestamp FROM webhooks ORDER BY webhooks.webhook_id",
  );
  return uncached({ webhooks });
}

async function deleteWebhook(backend: Backend, jobs: Jobs, webhookId: number): Promise<object> {
  const deleted = await backend.database.query(
    "DELETE FROM webhooks WHERE webhook_id = $1 RETURNING webhook_id",
    [webhookId],
  );
  if (deleted.length === 0) throw noWebhook(webhookId);
  await tellWebhooks(backend, jobs);
  return {};
}

async function tellWebhooks(backend: Backend, jobs: Jobs): Promise<void> {
  await jobs.webhooksChanged();
  await backend.cache.invalidate([WEBHOOKS]);
}

function noWebhook(webhookId: number): Error {
  return doesNotExist(`There is no webhook ${webhookId}.`);
}
