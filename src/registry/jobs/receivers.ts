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
    const known = breakers.get(host);
    if (known !== undefined) return known;
    const breaker = circuitBreaker(handleAll, {
      halfOpenAfter: options.breakerResetMs,
      breaker: new ConsecutiveBreaker(options.breakerFailures),
    });
    breakers.set(host, breaker);
    return breaker;
  };

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
      if (statusCode < 200 || statusCode > 299)
        throw new Error(`The receiver ${delivery.url} answered with ${statusCode}.`);
      return statusCode;
    } finally {
      options.took((performance.now() - startedMs) / 1_000);
    }
  }

  return {
    async post(delivery, signal) {
      const { host } = new URL(delivery.url);
      try {
        return await breakerOf(host).execute(() => send(delivery, signal));
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
