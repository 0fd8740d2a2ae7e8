/** Questions to git about a repository, without touching its working tree or its index. */
import { execFile } from "node:child_process";
import { messageOf, PerfoptError, throwIfAborted } from "../core/errors.ts";
import type { Environment } from "./home.ts";

const TIMEOUT_MS = 5 * 60_000;
const OUTPUT_BYTES_MAX = 64 * 1024 ** 2;
/** Set by git for its hooks: they would override the repository that is named. */
const HOOK_VARIABLES = [
  "GIT_DIR",
  "GIT_WORK_TREE",
  "GIT_INDEX_FILE",
  "GIT_PREFIX",
  "GIT_COMMON_DIR",
  "GIT_OBJECT_DIRECTORY",
  "GIT_ALTERNATE_OBJECT_DIRECTORIES",
];

/** Any folder of a working tree, and how git is run there. */
export interface Repository {
  readonly directory: string;
  readonly environment: Environment;
  readonly signal: AbortSignal;
}

export interface GitAnswer {
  readonly ok: boolean;
  readonly output: string;
  /** What git said went wrong. */
  readonly problem: string;
}

/** Runs git; one that ends with a failure is an answer too. Throws bad-input when git is not installed. */
export function askGit(
  { directory, environment, signal }: Repository,
  args: readonly string[],
): Promise<GitAnswer> {
  throwIfAborted(signal);
  const env: NodeJS.ProcessEnv = {
    ...environment,
    LC_ALL: "C",
    GIT_TERMINAL_PROMPT: "0",
    // Looking at a working tree must not rewrite its index.
    GIT_OPTIONAL_LOCKS: "0",
  };
  for (const name of HOOK_VARIABLES) delete env[name];
  return new Promise((resolve, reject) => {
    execFile(
      "git",
      ["-C", directory, ...args],
      { env, signal, timeout: TIMEOUT_MS, maxBuffer: OUTPUT_BYTES_MAX },
      (error, stdout, stderr) => {
        if (signal.aborted) reject(interrupted());
        else if (error && "code" in error && error.code === "ENOENT") reject(noGit(error));
        else {
          const problem = stderr.trim() || (error ? messageOf(error) : "");
          resolve({ ok: error === null, output: stdout.trim(), problem });
        }
      },
    );
  });
}

/** The output of a git command that has to succeed. */
export async function git(repository: Repository, args: readonly string[]): Promise<string> {
  const answer = await askGit(repository, args);
  if (answer.ok) return answer.output;
  throw new PerfoptError(
    "bad-input",
    `git ${args.join(" ")} failed in ${repository.directory}: ${answer.problem}`,
    "try the command by hand",
  );
}

/** The top folder of the working tree. Throws bad-input where there is none. */
export async function repositoryRoot(repository: Repository): Promise<string> {
  const answer = await askGit(repository, ["rev-parse", "--show-toplevel"]);
  if (answer.ok && answer.output !== "") return answer.output;
  throw new PerfoptError(
    "bad-input",
    `${repository.directory} is not in the working tree of a git repository: ${answer.problem || "it is bare"}`,
    "start perfopt inside the repository, or give directories instead of refs: --base ./old --head ./new",
  );
}

/** The full id of the commit that a ref names. Throws bad-input for a ref that names none. */
export async function resolveCommit(repository: Repository, ref: string): Promise<string> {
  await repositoryRoot(repository);
  const commit = await commitOf(repository, ref);
  if (commit !== undefined) return commit;
  throw new PerfoptError(
    "bad-input",
    `${ref} names no commit in ${repository.directory}`,
    "check the name with `git log -1 NAME`; a checkout of a CI job may hold one commit only: fetch the others first (fetch-depth: 0)",
  );
}

async function commitOf(repository: Repository, ref: string): Promise<string | undefined> {
  // git would take it for an option; no ref begins so.
  if (ref === "" || ref.startsWith("-")) return undefined;
  const answer = await askGit(repository, ["rev-parse", "--verify", "--quiet", `${ref}^{commit}`]);
  return answer.ok ? answer.output : undefined;
}

/** The commit where two lines of history part. Throws bad-input when they have none in common. */
export async function mergeBase(
  repository: Repository,
  base: string,
  head: string,
): Promise<string> {
  const commits = [
    await resolveCommit(repository, base),
    await resolveCommit(repository, head),
  ] as const;
  const answer = await askGit(repository, ["merge-base", ...commits]);
  if (answer.ok && answer.output !== "") return answer.output;
  throw new PerfoptError(
    "bad-input",
    `${base} and ${head} have no commit in common in ${repository.directory}`,
    "a shallow clone misses the commits between them: fetch them (fetch-depth: 0, or `git fetch --unshallow`), or give --base",
  );
}

export interface BaseRef {
  readonly commit: string;
  /** One phrase: where it comes from. */
  readonly how: string;
}

/** What a change is compared with when nobody says: where HEAD left the main branch. Throws bad-input when no main branch is found. */
export async function defaultBaseRef(repository: Repository): Promise<BaseRef> {
  await repositoryRoot(repository);
  for (const ref of [
    "refs/remotes/origin/HEAD",
    "origin/main",
    "origin/master",
    "main",
    "master",
  ]) {
    if ((await commitOf(repository, ref)) === undefined) continue;
    const name = ref === "refs/remotes/origin/HEAD" ? await mainBranch(repository) : ref;
    return {
      commit: await mergeBase(repository, ref, "HEAD"),
      how: `the merge base of HEAD and ${name}`,
    };
  }
  throw new PerfoptError(
    "bad-input",
    `no main branch was found in ${repository.directory}: neither origin/HEAD nor main or master, here or at origin`,
    "say what to compare with: --base REF",
  );
}

async function mainBranch(repository: Repository): Promise<string> {
  const answer = await askGit(repository, [
    "symbolic-ref",
    "--quiet",
    "--short",
    "refs/remotes/origin/HEAD",
  ]);
  return answer.ok ? answer.output : "origin/HEAD";
}

/** Whether the working tree differs from HEAD: a changed or new file that is not ignored. */
export async function hasUncommittedChanges(repository: Repository): Promise<boolean> {
  await repositoryRoot(repository);
  return (await git(repository, ["status", "--porcelain", "--untracked-files=normal"])) !== "";
}

function interrupted(): PerfoptError {
  return new PerfoptError("interrupted", "git was interrupted", "start the command again");
}

function noGit(cause: Error): PerfoptError {
  return new PerfoptError(
    "bad-input",
    "git is not on the PATH",
    "install git, or give directories instead of refs: --base ./old --head ./new",
    { cause },
  );
}
