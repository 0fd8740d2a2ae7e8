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
  // A supervisor that died meanwhile is noticed by the closed channel; without a callback its EPIPE would end this process first.
  process.send?.(message, undefined, undefined, () => {});
}

type Stop = { readonly event: "stop"; readonly drainTimeoutMs: number };

/** SIGTERM would give the process its whole DRAIN_TIMEOUT_MS, of which the gateway has used a part. */
export function stopMessage(drainTimeoutMs: number): Stop {
  return { event: "stop", drainTimeoutMs: Math.floor(drainTimeoutMs) };
}

/** Milliseconds to drain in; undefined: another message. */
export function stopIn(message: unknown): number | undefined {
  return numberIn(message, "stop", "drainTimeoutMs");
}

export function portIn(message: unknown): number | undefined {
  return numberIn(message, "listening", "port");
}

function numberIn(message: unknown, event: string, name: string): number | undefined {
  if (typeof message !== "object" || message === null) return undefined;
  const fields = new Map<string, unknown>(Object.entries(message));
  const value = fields.get(name);
  return fields.get("event") === event && typeof value === "number" ? value : undefined;
}
