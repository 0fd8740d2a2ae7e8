/** A job that cannot succeed, until its cause is gone and it is replayed. */
import { eventually, openRegistry } from "../client.ts";
import type { Stores } from "../stores.ts";
import { startReceiver } from "./world.ts";

export interface PoisonResult {
  /** As the receiver counted them. */
  readonly attempts: number;
  readonly attemptsMax: number;
  readonly letters: number;
  /** The state of the replayed job in the end. */
  readonly replayed: string;
}

const ATTEMPTS = 4;

export async function playPoison(stores: Stores): Promise<PoisonResult> {
  const receiver = await startReceiver();
  const api = await openRegistry({
    DATABASE_URL: await stores.createDatabase("poison"),
    REDIS_URL: stores.redisUrl,
    JOB_ATTEMPTS: String(ATTEMPTS),
    JOB_BACKOFF_MS: "10",
  });
  try {
    receiver.answer("/poison", 500);
    const { webhook } = await api.post("webhooks/create", { url: `${receiver.url}/poison` });
    const { webhook_id } = webhook;
    const { job } = await api.post("jobs/create", { kind: "webhook", webhook_id });
    const stateOf = async (jobId: string): Promise<string> =>
      (await api.get("jobs/get", { job_id: jobId })).job.state;
    await eventually(async () => (await stateOf(job.job_id)) === "dead");
    const attempts = receiver.received.length;
    const letters = (await api.get("jobs/dead-letters/list")).dead_letters.length;
    receiver.answer("/poison", 200);
    const { jobs } = await api.post("jobs/dead-letters/replay", { all: true });
    await eventually(async () => ["done", "dead"].includes(await stateOf(jobs[0].job_id)));
    return {
      attempts,
      attemptsMax: ATTEMPTS,
      letters,
      replayed: await stateOf(jobs[0].job_id),
    };
  } finally {
    await api.close();
    await receiver.close();
  }
}
