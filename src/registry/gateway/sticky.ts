// Sticky sessions: a cookie that names the worker which answered first.

import { createHash } from "node:crypto";

export const STICKY_COOKIE = "registry_worker";
const TOKEN_LENGTH = 16;

/** The same after a restart and with HAProxy, so that clients stay where they are. It is no secret: choosing a worker is no privilege. */
export function stickyToken(worker: string): string {
  return createHash("sha256")
    .update(`registry-worker:${worker}`)
    .digest("hex")
    .slice(0, TOKEN_LENGTH);
}

export function stickyCookie(token: string): string {
  return `${STICKY_COOKIE}=${token}; path=/; HttpOnly; SameSite=Lax`;
}

/** The token in a Cookie header. */
export function tokenOf(cookies: string | undefined): string | undefined {
  if (cookies === undefined) return undefined;
  for (const pair of cookies.split(";")) {
    const [name, value] = pair.split("=", 2);
    if (name?.trim() === STICKY_COOKIE) return value?.trim();
  }
  return undefined;
}
