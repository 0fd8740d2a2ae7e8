/** One service to measure: started with stores of its own, or running already at a URL. */
import { join } from "node:path";
import { redactSecrets } from "../core/errors.ts";
import type { EnvironmentFacts } from "../core/event.ts";
import type { GateSide } from "../core/gate.ts";
import type { TargetFile } from "../core/target-file.ts";
import { presentValues } from "../target/live.ts";
import { findRedis } from "../target/redis-server.ts";
import { openSolo, type Solo, type SoloOptions } from "../target/solo.ts";
import { openSource, type Source } from "../target/source.ts";
import { targetState } from "../target/up.ts";
import { openUrl } from "../target/url-arms.ts";
import type { LoadOptions } from "../target/window.ts";
import type { BenchJob } from "./bench-session.ts";
import type { Context } from "./context.ts";
import { environmentFacts, gitCommit } from "./environment.ts";
import { scaleOf } from "./job.ts";
import { requestOf } from "./load.ts";
import { loadFunctions } from "./load-functions.ts";
import { whileJournalled } from "./measuring.ts";
import { loadParameters } from "./parameters.ts";
import type { Progress } from "./progress.ts";

export interface OpenSolo extends Pick<
  Solo,
  "sample" | "observe" | "saturate" | "probe" | "change" | "databaseUrl" | "redisUrl"
> {
  readonly side: GateSide;
  readonly scale: string | undefined;
  readonly environment: EnvironmentFacts;
  readonly warnings: readonly string[];
}

/** What a command wants of its solo besides. */
export interface SoloExtras extends Pick<SoloOptions, "readTrace"> {
  /** Watches each window while its load is sent. */
  readonly aroundLoad?: (runLoad: LoadOptions["runLoad"]) => LoadOptions["runLoad"];
}

export async function withSolo<T>(
  context: Context,
  job: BenchJob,
  progress: Progress,
  use: (solo: OpenSolo) => Promise<T>,
  extras: SoloExtras = {},
): Promise<T> {
  const { url } = job.options;
  return url === undefined
    ? withStarted(context, job, progress, use, extras)
    : withUrl(context, job, url, progress, use, extras);
}

async function withStarted<T>(
  context: Context,
  job: BenchJob,
  progress: Progress,
  use: (solo: OpenSolo) => Promise<T>,
  { aroundLoad, ...tracing }: SoloExtras,
): Promise<T> {
  const { target, seed, options } = job;
  const scale = scaleOf(options, target);
  return whileJournalled(context, { kind: "bench", target, scale, seed }, async (measuring) => {
    const source = await openStores(context, { target, scale, seed }, progress);
    try {
      progress.say("reading the workload's parameters");
      const data = await loadParameters(source.adminUrl, job.plan.workload);
      progress.say("starting the service");
      const solo = await openSolo({
        targetFile: target,
        runId: measuring.runId,
        folder: join(context.home, "arms", measuring.runId),
        home: context.home,
        source,
        baselineValues: await presentValues(target, context.home, {
          serviceUrl: source.serviceUrl,
          environment: context.env,
        }),
        environment: context.env,
        note: measuring.note,
        signal: context.signal,
        detail: true,
        ...tracing,
        ...watched(loadFunctions(requestOf(job.plan, target), data), aroundLoad),
      });
      try {
        return await use({
          ...solo,
          side: await sideOf(context, target.service.start.directory),
          scale: source.scale,
          environment: await environmentFacts(context, source),
          warnings: [],
        });
      } finally {
        progress.say("taking the service down");
        await solo.close();
      }
    } finally {
      await source.close();
    }
  });
}

/** The seeded database of a target, or the user's own, ready to be cloned. */
export async function openStores(
  context: Context,
  {
    target,
    scale,
    seed,
  }: { readonly target: TargetFile; readonly scale: string | undefined; readonly seed: number },
  progress: Progress,
): Promise<Source> {
  // Asked before a minute is spent on seeding.
  if (target.redis?.kind === "local") await findRedis(context.env);
  progress.say("starting PostgreSQL");
  return openSource({
    targetFile: target,
    home: context.home,
    scale: scale ?? "",
    seed,
    environment: context.env,
    purpose: "bench",
    onProgress: progress.say,
    signal: context.signal,
  });
}

async function withUrl<T>(
  context: Context,
  job: BenchJob,
  url: string,
  progress: Progress,
  use: (solo: OpenSolo) => Promise<T>,
  { aroundLoad }: SoloExtras,
): Promise<T> {
  const { target, plan } = job;
  const data = await loadParameters(await databaseOf(context, target), plan.workload);
  progress.say("reaching the service");
  // A bare URL's path is its one request already.
  const baseUrl = target.postgres.kind === "none" ? new URL(url).origin : url;
  const solo = await openUrl(
    { baseUrl, targetFile: target },
    {
      signal: context.signal,
      detail: true,
      ...watched(
        loadFunctions({ ...requestOf(plan, target), foreignWorkKnown: false }, data),
        aroundLoad,
      ),
    },
  );
  try {
    return await use({
      ...solo,
      side: { label: redactSecrets(url) },
      scale: undefined,
      environment: await environmentFacts(context, undefined),
      warnings: [],
    });
  } finally {
    await solo.close();
  }
}

function watched<T extends Pick<LoadOptions, "runLoad">>(
  functions: T,
  around: SoloExtras["aroundLoad"],
): T {
  return around ? { ...functions, runLoad: around(functions.runLoad) } : functions;
}

/** Where parameters are read from by SQL: the target's own database, or that of the target that `target up` left running. */
export async function databaseOf(
  context: Context,
  target: TargetFile,
): Promise<string | undefined> {
  if (target.postgres.kind === "url") return target.postgres.url;
  return (await targetState(context.home, target.name))?.postgresUrl;
}

async function sideOf(context: Context, directory: string): Promise<GateSide> {
  const commit = await gitCommit(context, directory);
  return {
    label: commit === undefined ? "the service's folder" : `working tree at ${commit}`,
    ...(commit ? { commit } : {}),
  };
}
