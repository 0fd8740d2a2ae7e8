/** Both sides of a gate made ready: checked out, built, or found running. */
import { existsSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { PerfoptError, redactSecrets } from "../core/errors.ts";
import type { GateSide } from "../core/gate.ts";
import type { TargetFile } from "../core/target-file.ts";
import { loadTarget } from "../profiles/target.ts";
import { buildTarget } from "../target/build.ts";
import { checkoutRef, targetIn, type Checkout } from "../target/checkout.ts";
import {
  defaultBaseRef,
  hasUncommittedChanges,
  mergeBase,
  repositoryRoot,
  resolveCommit,
  type Repository,
} from "../target/git.ts";
import type { Context } from "./context.ts";
import { gitCommit } from "./environment.ts";
import type { Progress } from "./progress.ts";
import { parseSide, type SideSource } from "./sides.ts";

export interface SideOptions {
  readonly base?: string;
  readonly head?: string;
  readonly exactBase?: boolean;
  /** False: what is there is taken as built. */
  readonly build: boolean;
}

/** One side, ready to be started, or running at `url`. */
export interface ReadySide {
  readonly side: GateSide;
  readonly target: TargetFile;
  readonly url: string | undefined;
  readonly warnings: readonly string[];
  readonly close: () => Promise<void>;
}

interface Named {
  readonly option: "--base" | "--head";
  readonly source: SideSource;
  readonly label: string;
}

const BUILD_TIMEOUT_MS = 20 * 60_000;
const COMMIT_CHARACTERS = 12;

/** Throws bad-input for sides that do not exist or do not go together, cannot-measure for one that cannot be built. */
export async function readySides(
  context: Context,
  options: SideOptions,
  target: TargetFile,
  progress: Progress,
): Promise<{ readonly base: ReadySide; readonly head: ReadySide }> {
  const named = await nameSides(context, options, target);
  const base = await readySide(context, named.base, target, options, progress);
  try {
    return { base, head: await readySide(context, named.head, target, options, progress) };
  } catch (error) {
    await base.close();
    throw error;
  }
}

/** The one side of a self-test: the head, or what is there. */
export async function readyOne(
  context: Context,
  options: SideOptions,
  target: TargetFile,
  progress: Progress,
): Promise<ReadySide> {
  const head = await nameHead(context, options.head ?? options.base, target);
  return readySide(context, head, target, options, progress);
}

async function nameSides(context: Context, options: SideOptions, target: TargetFile) {
  const head = await nameHead(context, options.head, target);
  const base = await nameBase(context, options, head, target);
  if ((base.source.kind === "url") !== (head.source.kind === "url")) {
    throw new PerfoptError(
      "bad-input",
      "one side is a URL and the other is not: a service that runs already cannot be compared with one that perfopt starts",
      "give two URLs, or two refs, directories or commands",
    );
  }
  return { base, head };
}

/** What is checked out here: as committed, or the working tree when it differs. */
async function nameHead(
  context: Context,
  given: string | undefined,
  target: TargetFile,
): Promise<Named> {
  const option = "--head";
  if (given !== undefined) {
    return {
      option,
      source: parseSide(option, given, context.directory),
      label: redactSecrets(given),
    };
  }
  const repository = repositoryOf(context, target);
  if (!(await hasUncommittedChanges(repository))) {
    return { option, source: { kind: "ref", ref: "HEAD" }, label: "HEAD" };
  }
  const directory = await repositoryRoot(repository);
  return {
    option,
    source: { kind: "directory", directory },
    label: "the working tree, with uncommitted changes",
  };
}

async function nameBase(
  context: Context,
  { base: given, exactBase }: SideOptions,
  head: Named,
  target: TargetFile,
): Promise<Named> {
  const option = "--base";
  const repository = repositoryOf(context, target);
  if (given === undefined) {
    if (head.source.kind === "url" || head.source.kind === "command") {
      throw new PerfoptError(
        "bad-input",
        `--head ${head.label} has no base`,
        "say what to compare it with: --base",
      );
    }
    const { commit, how } = await defaultBaseRef(repository);
    if (head.source.kind === "ref") {
      const headCommit = await resolveCommit(repository, head.source.ref);
      // On the main branch itself: what the last merge changed.
      if (headCommit === commit) {
        return {
          option,
          source: { kind: "ref", ref: `${commit}^` },
          label: "the commit before the head",
        };
      }
    }
    return { option, source: { kind: "ref", ref: commit }, label: how };
  }
  const source = parseSide(option, given, context.directory);
  if (source.kind !== "ref" || exactBase) return { option, source, label: redactSecrets(given) };
  // What others have merged since is neither this change's fault nor its merit.
  const headRef = head.source.kind === "ref" ? head.source.ref : "HEAD";
  const commit = await mergeBase(repository, source.ref, headRef);
  return { option, source: { kind: "ref", ref: commit }, label: `the merge base with ${given}` };
}

function repositoryOf(context: Context, target: TargetFile): Repository {
  return {
    directory: target.service.start.directory,
    environment: context.env,
    signal: context.signal,
  };
}

async function readySide(
  context: Context,
  named: Named,
  target: TargetFile,
  options: SideOptions,
  progress: Progress,
): Promise<ReadySide> {
  const { source, label } = named;
  switch (source.kind) {
    case "url":
      return { side: { label }, target, url: source.url, warnings: [], close: async () => {} };
    case "command":
      return {
        side: { label },
        target: withStart(target, source.words),
        url: undefined,
        warnings: [],
        close: async () => {},
      };
    case "directory":
      return readyDirectory(
        context,
        { ...named, directory: source.directory },
        target,
        options,
        progress,
      );
    case "ref":
      return readyRef(context, { ...named, ref: source.ref }, target, options, progress);
  }
}

function withStart(target: TargetFile, words: readonly string[]): TargetFile {
  const [program = "", ...args] = words;
  const { start } = target.service;
  return { ...target, service: { ...target.service, start: { ...start, program, args } } };
}

async function readyDirectory(
  context: Context,
  { directory, label }: Named & { readonly directory: string },
  target: TargetFile,
  options: SideOptions,
  progress: Progress,
): Promise<ReadySide> {
  const own = await ownTarget(context, target, directory);
  if (options.build) await build(context, own, undefined, progress);
  const commit = await gitCommit(context, directory);
  return {
    side: { label, ...(commit === undefined ? {} : { commit }) },
    target: own,
    url: undefined,
    warnings: [],
    close: async () => {},
  };
}

async function readyRef(
  context: Context,
  { ref, label }: Named & { readonly ref: string },
  target: TargetFile,
  options: SideOptions,
  progress: Progress,
): Promise<ReadySide> {
  const checkout = await checkoutRef({
    repository: repositoryOf(context, target),
    ref,
    home: context.home,
    onProgress: progress.say,
  });
  try {
    const own = await ownTarget(context, target, checkout.directory);
    if (options.build) await build(context, own, checkout, progress);
    return {
      side: { label, commit: checkout.commit.slice(0, COMMIT_CHARACTERS) },
      target: own,
      url: undefined,
      warnings: checkout.warnings,
      close: checkout.close,
    };
  } catch (error) {
    await checkout.close();
    throw error;
  }
}

/** The version's own target file where it has one: how a version is started is part of the version. The load is not, and is the same for both. */
async function ownTarget(
  context: Context,
  target: TargetFile,
  directory: string,
): Promise<TargetFile> {
  const root = await rootOf(context, target);
  const path = join(directory, relative(root, target.path));
  if (!path.startsWith(resolve(directory)) || !existsSync(path))
    return targetIn(target, root, directory);
  const own = await loadTarget(path, { env: context.env });
  return { ...own, workloads: target.workloads };
}

/** What a version's directory corresponds to: the repository, or the folder of the target file outside of one. */
async function rootOf(context: Context, target: TargetFile): Promise<string> {
  try {
    return await repositoryRoot(repositoryOf(context, target));
  } catch {
    return target.service.start.directory;
  }
}

async function build(
  context: Context,
  target: TargetFile,
  checkout: Checkout | undefined,
  progress: Progress,
): Promise<void> {
  const logPath = checkout
    ? join(checkout.folder, "build.log")
    : join(context.home, "builds", `${target.name}.log`);
  await buildTarget(target, {
    ...(checkout ? { checkout } : {}),
    environment: context.env,
    logPath,
    timeoutMs: BUILD_TIMEOUT_MS,
    onProgress: progress.say,
    signal: context.signal,
  });
}
