// HAProxy's configuration with the same meaning as the embedded gateway's settings (HAProxy 2.4 and later).

import { READY_PATH, checkTimeoutMs, recheckMs } from "./check.ts";
import type { Balancing } from "./config.ts";
import type { GatewayOptions } from "./gateway.ts";
import { OWN_PATHS } from "./own-pages.ts";
import { STICKY_COOKIE, stickyToken } from "./sticky.ts";

export type HaproxyPlaces = {
  readonly port: number;
  /** Where this program answers for the gateway. */
  readonly ownPort: number;
  readonly statsSocket: string;
};

export const FRONTEND = "gateway";
export const BACKEND = "registry";

const BALANCE: Readonly<Record<Balancing, string>> = {
  "round-robin": "roundrobin",
  "least-connections": "leastconn",
  "two-choices": "random(2)",
};

const CONNECT_TIMEOUT_MAX_MS = 2_000;
const CLIENT_MARGIN_MS = 10_000;
// Nobody listens there: a worker whose process is not there yet.
const NOWHERE = "127.0.0.1:1";

/** The name of a worker in the configuration, the statistics and the log. */
export function serverName(worker: string): string {
  return `w${worker}`;
}

export function haproxyConfig(options: GatewayOptions, places: HaproxyPlaces): string {
  return [
    ...globalLines(places),
    "",
    ...defaultLines(options),
    "",
    ...frontendLines(options, places),
    "",
    ...backendLines(options),
    "",
    "backend own",
    `  server own 127.0.0.1:${places.ownPort}`,
    "",
  ].join("\n");
}

function globalLines({ statsSocket }: HaproxyPlaces): readonly string[] {
  return [
    "global",
    `  stats socket ${statsSocket} mode 600 level admin`,
    "  stats timeout 10s",
    // Read by this program: HAProxy's statistics hold averages only.
    "  log stdout format raw local0 info",
  ];
}

function defaultLines(options: GatewayOptions): readonly string[] {
  const { healthIntervalMs, answerTimeoutMs, keepAlive } = options;
  return [
    "defaults",
    "  mode http",
    "  log global",
    `  timeout connect ${Math.min(CONNECT_TIMEOUT_MAX_MS, healthIntervalMs)}ms`,
    `  timeout client ${answerTimeoutMs + CLIENT_MARGIN_MS}ms`,
    `  timeout server ${answerTimeoutMs}ms`,
    `  timeout check ${checkTimeoutMs(healthIntervalMs)}ms`,
    "  timeout http-request 60s",
    "  timeout http-keep-alive 72s",
    "  timeout queue 5s",
    // A client that went away is no longer worked for.
    "  option abortonclose",
    ...(keepAlive
      ? ["  option http-keep-alive", "  http-reuse always"]
      : ["  option http-server-close", "  http-reuse never"]),
    ...[502, 503, 504].map(errorLine),
  ];
}

function errorLine(status: number): string {
  const code = status === 504 ? "DEADLINE_EXCEEDED" : "TEMPORARILY_UNAVAILABLE";
  const body = JSON.stringify({ error_code: code, message: "The worker did not answer." });
  return `  http-error status ${status} content-type "application/json; charset=utf-8" string '${body}' hdr Retry-After 1`;
}

function frontendLines({ host }: GatewayOptions, { port }: HaproxyPlaces): readonly string[] {
  const address = host.includes(":") ? `[${host}]` : host;
  return [
    `frontend ${FRONTEND}`,
    `  bind ${address}:${port}`,
    // Worker, status, milliseconds from the request's first byte to the answer's last, how it ended.
    '  log-format "%s %ST %Ta %ts"',
    `  use_backend own if { path ${OWN_PATHS.join(" ")} }`,
    `  default_backend ${BACKEND}`,
  ];
}

function backendLines(options: GatewayOptions): readonly string[] {
  const { healthIntervalMs, slowStartMs } = options;
  return [
    `backend ${BACKEND}`,
    `  balance ${BALANCE[options.balancing]}`,
    "  option forwardfor",
    "  http-request del-header Forwarded",
    "  http-request set-header X-Real-IP %[src]",
    "  http-request set-header X-Forwarded-Proto http",
    "  http-request set-header X-Forwarded-Host %[req.hdr(host)]",
    "  option httpchk",
    `  http-check send meth GET uri ${READY_PATH} ver HTTP/1.1 hdr Host gateway hdr Connection close`,
    "  http-check expect status 200",
    // Once more, at another worker: what was not sent, and GET and HEAD that were not answered.
    "  retries 1",
    "  option redispatch 1",
    "  retry-on conn-failure empty-response",
    "  http-request disable-l7-retry unless METH_GET",
    ...(options.sticky
      ? [`  cookie ${STICKY_COOKIE} insert indirect httponly attr "SameSite=Lax"`]
      : []),
    `  default-server check inter ${healthIntervalMs}ms downinter ${recheckMs(healthIntervalMs)}ms fall 1 rise 1` +
      (slowStartMs > 0 ? ` slowstart ${slowStartMs}ms` : "") +
      " observe layer4 error-limit 1 on-error mark-down",
    ...options.workers.map(({ id, url }) => {
      const address = url === undefined ? NOWHERE : new URL(url).host;
      return `  server ${serverName(id)} ${address}${options.sticky ? ` cookie ${stickyToken(id)}` : ""}`;
    }),
  ];
}
