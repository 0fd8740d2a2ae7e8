// What a service process and its supervisor tell each other.

/** In a child's environment: its number. */
export const WORKER_ENV = "REGISTRY_WORKER";

type Listening = { readonly event: "listening"; readonly port: number };

/** The number of this process among the supervisor's; undefined when it stands alone. */
export function workerNumber(): string | undefined {
  return process.send === undefined ? undefined : process.env[WORKER_ENV];
}

export function tellListening(port: number): void {
  const message: Listening = { event: "listening", port };
  process.send?.(message);
}

export function portIn(message: unknown): number | undefined {
  if (typeof message !== "object" || message === null) return undefined;
  if (!("event" in message) || message.event !== "listening" || !("port" in message))
    return undefined;
  return typeof message.port === "number" ? message.port : undefined;
}
