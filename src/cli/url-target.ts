/** The target of a bench: a file, or for a bare `--url` a target of one request, made of the command line. */
import { join, resolve } from "node:path";
import { PerfoptError } from "../core/errors.ts";
import type { TargetFile } from "../core/target-file.ts";
import type { Json, RequestTemplate } from "../core/workload.ts";
import { loadTarget } from "../profiles/target.ts";
import type { Context } from "./context.ts";

export interface UrlOptions {
  readonly target?: string;
  readonly url?: string;
  readonly method?: string;
  readonly header?: readonly string[];
  readonly body?: string;
}

const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"] as const;

export async function benchTarget(context: Context, options: UrlOptions): Promise<TargetFile> {
  if (options.url !== undefined && options.target === undefined)
    return bareTarget(options.url, options);
  if (options.url !== undefined) urlOf(options.url);
  return targetFileOf(context, options.target);
}

/** The bundled one when none is named. */
export function targetFileOf(context: Context, path: string | undefined): Promise<TargetFile> {
  return loadTarget(
    path === undefined
      ? join(context.profilesDirectory, "targets", "model-registry.yaml")
      : resolve(context.directory, path),
    { env: context.env },
  );
}

/** One request, as a load tool without a target file sends it. */
export function bareTarget(text: string, options: UrlOptions): TargetFile {
  const url = urlOf(text);
  return {
    name: url.hostname.replace(/[^a-z0-9-]+/gi, "-").toLowerCase(),
    title: url.origin,
    description: "A service by its URL.",
    path: "(the command line)",
    service: {
      start: { program: "", args: [], directory: "." },
      env: {},
      readyPath: url.pathname,
      startTimeoutMs: 0,
      stopTimeoutMs: 0,
    },
    postgres: { kind: "none" },
    knobs: [],
    workloads: [{ name: "url", parameters: [], requests: [requestOfUrl(url, options)] }],
  };
}

function requestOfUrl(url: URL, options: UrlOptions): RequestTemplate {
  const method = METHODS.find((each) => each === options.method?.toUpperCase()) ?? "GET";
  if (options.method !== undefined && options.method.toUpperCase() !== method) {
    throw new PerfoptError(
      "bad-input",
      `--method ${options.method}: there is no such method`,
      `use ${METHODS.join(", ")}`,
    );
  }
  return {
    name: "url",
    weight: 1,
    method,
    path: plain(`${url.pathname}${url.search}`),
    headers: Object.fromEntries((options.header ?? []).map(headerOf)),
    ...(options.body === undefined ? {} : { body: bodyOf(options.body) }),
    expect: [],
  };
}

function headerOf(text: string): readonly [string, string] {
  const [, name, value] = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):\s*(.*)$/.exec(text) ?? [];
  if (name !== undefined && value !== undefined) return [name.toLowerCase(), value];
  throw new PerfoptError(
    "bad-input",
    "--header: expected NAME: VALUE (the value is not shown)",
    "for example --header 'accept: application/json'",
  );
}

function bodyOf(text: string): Json {
  try {
    const value: Json = JSON.parse(text);
    return value;
  } catch (cause) {
    throw new PerfoptError(
      "bad-input",
      "--body is not JSON",
      `for example --body '{"name": "x"}'`,
      { cause },
    );
  }
}

/** A dollar and a brace in a URL are no placeholder. */
function plain(path: string): string {
  return path.replaceAll("${", "$%7B");
}

function urlOf(text: string): URL {
  if (URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)) return new URL(text);
  throw new PerfoptError(
    "bad-input",
    `${text} is not an http or https URL`,
    "give one such as http://127.0.0.1:3000/health",
  );
}
