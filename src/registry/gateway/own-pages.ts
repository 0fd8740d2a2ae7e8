// What the gateway answers itself: whether it lives, whether any worker is ready, and the metrics of all.

import type { ServerResponse } from "node:http";
import { Registry } from "prom-client";
import { request } from "undici";
import type { ErrorCode } from "../errors.ts";
import { observeProcess } from "../runtime-metrics.ts";
import { createPages } from "./pages.ts";

export const OWN_PATHS = ["/healthz", "/readyz", "/metrics"] as const;

export type OwnPages = {
  /** False: the path is none of these, and nothing was answered. */
  readonly answer: (path: string, response: ServerResponse) => Promise<boolean>;
  /** The worker's process is gone. */
  readonly ended: (worker: string) => void;
};

type Source = {
  readonly metrics: Registry;
  readonly workers: () => readonly { readonly id: string; readonly url: string | undefined }[];
  /** Brings up to date what the others show. */
  readonly refresh: () => Promise<unknown>;
  readonly upCount: () => number;
  /** CPU time of processes beside this one. */
  readonly otherCpuSeconds?: () => number;
};

const SCRAPE_TIMEOUT_MS = 2_000;
/** Under this name the gateway's process is one more page, so that the sums are of the whole service. */
const OWN_NAME = " gateway";

export function createOwnPages(source: Source): OwnPages {
  const pages = createPages();
  const own = ownProcess(source.otherCpuSeconds ?? (() => 0));
  const metricsPage = async (): Promise<string> => {
    await source.refresh();
    pages.read(OWN_NAME, await own.metrics());
    await Promise.all(
      source.workers().map(async (worker) => {
        const { id, url } = worker;
        const text = url === undefined ? undefined : await scrape(url);
        // Its process may have been replaced meanwhile.
        const still = source.workers().find((each) => each.id === id)?.url === url;
        if (still) pages.read(id, text);
      }),
    );
    return `${await source.metrics.metrics()}\n${pages.merged()}`;
  };
  return {
    ended: pages.ended,
    async answer(path, response) {
      const [page] = path.split("?", 1);
      if (page === "/healthz") {
        json(response, 200, { status: "ok" });
      } else if (page === "/readyz") {
        await source.refresh();
        const up = source.upCount();
        const workers = source.workers().length;
        const status = up > 0 ? "ready" : "not ready";
        json(response, up > 0 ? 200 : 503, { status, workers_up: up, workers });
      } else if (page === "/metrics") {
        const text = await metricsPage();
        response.setHeader("Content-Type", source.metrics.contentType).end(text);
      } else {
        return false;
      }
      return true;
    },
  };
}

/** An answer of the gateway itself, in the API's form. */
export function respond(
  response: ServerResponse,
  status: number,
  code: ErrorCode,
  message: string,
): void {
  json(response, status, { error_code: code, message });
}

function json(response: ServerResponse, status: number, body: object): void {
  response.statusCode = status;
  response.setHeader("Content-Type", "application/json; charset=utf-8");
  response.end(JSON.stringify(body));
}

async function scrape(url: string): Promise<string | undefined> {
  try {
    const signal = AbortSignal.timeout(SCRAPE_TIMEOUT_MS);
    const { statusCode, body } = await request(`${url}/metrics`, { signal });
    const text = await body.text();
    return statusCode === 200 ? text : undefined;
  } catch {
    return undefined;
  }
}

function ownProcess(otherCpuSeconds: () => number): Registry {
  const registry = new Registry();
  observeProcess(registry, otherCpuSeconds);
  return registry;
}
