// Posts to webhook receivers: signed, within a time limit, and not at all for a while to a host that keeps failing.

import { createHmac } from "node:crypto";
import {
  BrokenCircuitError,
  circuitBreaker,
  CircuitState,
  ConsecutiveBreaker,
  handleAll,
} from "cockatiel";
import type { CircuitBreakerPolicy } from "cockatiel";
import { Agent, request } from "undici";
import { PostponedError } from "./job.ts";

/** A receiver did not answer, or not with 2xx. */
export class ReceiverError extends Error {
  override readonly name = "ReceiverError";
}

export type Delivery = {
  readonly url: string;
  readonly secret: string;
  /** The same in every attempt: a receiver that has seen it can leave the request out. */
  readonly deliveryId: string;
  readonly body: string;
};

export type Receivers = {
  /** Answers with the receiver's status, which is 2xx; all else throws: PostponedError while the host's circuit is open. */
  readonly post: (delivery: Delivery, signal: AbortSignal) => Promise<number>;
  /** By host: 0 closed, 1 half open, 2 open. */
  readonly circuits: () => ReadonlyMap<string, number>;
  readonly close: () => Promise<void>;
};

export type ReceiverOptions = {
  readonly timeoutMs: number;
  readonly breakerFailures: number;
  readonly breakerResetMs: number;
  readonly took: (seconds: number) => void;
};

const CONNECTIONS_PER_HOST = 16;
/** Webhooks come and go; those of now are fewer. The host that was not asked for longest is forgotten. */
const HOSTS_MAX = 256;
const TOO_MANY_REQUESTS = 429;
const STATES: ReadonlyMap<CircuitState, number> = new Map([
  [CircuitState.Closed, 0],
  [CircuitState.HalfOpen, 1],
  [CircuitState.Open, 2],
  [CircuitState.Isolated, 2],
]);

export function openReceivers(options: ReceiverOptions): Receivers {
  const agent = new Agent({ connections: CONNECTIONS_PER_HOST });
  const breakers = new Map<string, CircuitBreakerPolicy>();
  const breakerOf = (host: string): CircuitBreakerPolicy => {
    const breaker =
      breakers.get(host) ??
      circuitBreaker(handleAll, {
        halfOpenAfter: options.breakerResetMs,
        breaker: new ConsecutiveBreaker(options.breakerFailures),
      });
    breakers.delete(host);
    breakers.set(host, breaker);
    const [oldest] = breakers.keys();
    if (breakers.size > HOSTS_MAX && oldest !== undefined) breakers.delete(oldest);
    return breaker;
  };

  /** Answers with any status that says nothing against the host: other clients may have better luck with it. */
  async function send(delivery: Delivery, signal: AbortSignal): Promise<number> {
    const startedMs = performance.now();
    try {
      const { statusCode, body } = await request(delivery.url, {
        method: "POST",
        headers: headersOf(delivery),
        body: delivery.body,
        dispatcher: agent,
        signal: AbortSignal.any([signal, AbortSignal.timeout(options.timeoutMs)]),
      });
      await body.dump();
      if (statusCode >= 500 || statusCode === TOO_MANY_REQUESTS)
        throw answered(delivery.url, statusCode);
      return statusCode;
    } catch (error) {
      if (error instanceof ReceiverError || signal.aborted) throw error;
      throw new ReceiverError(`The receiver ${spoken(delivery.url)} did not answer.`, {
        cause: error,
      });
    } finally {
      options.took((performance.now() - startedMs) / 1_000);
    }
  }

  return {
    async post(delivery, signal) {
      const { host } = new URL(delivery.url);
      try {
        const status = await breakerOf(host).execute(() => send(delivery, signal));
        if (status < 200 || status > 299) throw answered(delivery.url, status);
        return status;
      } catch (error) {
        if (!(error instanceof BrokenCircuitError)) throw error;
        throw new PostponedError(`The circuit of ${host} is open.`, options.breakerResetMs);
      }
    },
    circuits: () =>
      new Map([...breakers].map(([host, { state }]) => [host, STATES.get(state) ?? 0])),
    close: () => agent.destroy(),
  };
}

function answered(url: string, status: number): ReceiverError {
  return new ReceiverError(`The receiver ${spoken(url)} answered with ${status}.`);
}

/** Dead letters are shown to whoever asks: without the query and the user, which may hold secrets. */
function spoken(url: string): string {
  const { origin, pathname } = new URL(url);
  return `${origin}${pathname}`;
}

/** As MLflow signs its webhooks, and with the header that receivers know retries by. */
function headersOf({ secret, deliveryId, body }: Delivery): Record<string, string> {
  const timestamp = String(Math.floor(Date.now() / 1_000));
  const signature = createHmac("sha256", secret)
    .update(`${deliveryId}.${timestamp}.${body}`)
    .digest("base64");
  return {
    "content-type": "application/json",
    "idempotency-key": deliveryId,
    "x-mlflow-delivery-id": deliveryId,
    "x-mlflow-timestamp": timestamp,
    "x-mlflow-signature": `v1,${signature}`,
  };
}
