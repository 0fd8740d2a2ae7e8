/** One file on a ref of git, read and changed by plumbing alone: no working tree, no index, no checkout is touched. */
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { messageOf, PerfoptError } from "../core/errors.ts";

const TIMEOUT_MS = 30_000;
const OUTPUT_BYTES_MAX = 256 * 1024 * 1024;
/** Another writer may come first each time; each round is a few milliseconds of git. */
const ATTEMPTS_MAX = 50;
const WAIT_MS = 20;
/** A commit needs an author, and the accounts that CI runs under often have none. */
const IDENTITY = { name: "perfopt", email: "perfopt@localhost" };

export interface GitFile {
  /** Of the repository, or any folder in it. */
  readonly directory: string;
  /** Whole: `refs/heads/history`. */
  readonly ref: string;
  /** Read, and continued, when the ref does not exist: what was fetched of it. */
  readonly fallback: string | undefined;
}

/** The commit that the ref (or its fallback) points to; undefined when there is none yet. */
export async function tipOf({ directory, ref, fallback }: GitFile): Promise<string | undefined> {
  for (const name of fallback === undefined ? [ref] : [ref, fallback]) {
    const found = await attempt(directory, [
      "rev-parse",
      "--verify",
      "--quiet",
      `${name}^{commit}`,
    ]);
    if (found.ok) return found.out.trim();
  }
  return undefined;
}

/** The blobs of a commit by path. */
export async function blobsOf(
  directory: string,
  commit: string,
): Promise<ReadonlyMap<string, string>> {
  const listed = await git(directory, ["ls-tree", "-r", "-z", commit]);
  return new Map(
    listed.split("\0").flatMap((line) => {
      const [, blob, path] = /^\d+ blob ([0-9a-f]+)\t(.*)$/s.exec(line) ?? [];
      return blob === undefined || path === undefined ? [] : [[path, blob] as const];
    }),
  );
}

export async function textOf(directory: string, blob: string): Promise<string> {
  return git(directory, ["cat-file", "blob", blob]);
}

/** Many at once: one git for each of a thousand notes would take seconds. */
export async function textsOf(
  directory: string,
  blobs: readonly string[],
): Promise<readonly string[]> {
  const input = blobs.map((blob) => `${blob}\n`).join("");
  const ended = await attempt(directory, ["cat-file", "--batch"], { input });
  if (!ended.ok) throw failed(["cat-file"], ended.err);
  const texts: string[] = [];
  // Each is a line with the number of bytes, then these, then a newline.
  for (let at = 0; at < ended.bytes.length;) {
    const lineEnd = ended.bytes.indexOf("\n", at);
    const length = Number(ended.bytes.subarray(at, lineEnd).toString().split(" ")[2]);
    if (!Number.isInteger(length)) throw failed(["cat-file"], "it did not find what it listed");
    texts.push(ended.bytes.subarray(lineEnd + 1, lineEnd + 1 + length).toString());
    at = lineEnd + length + 2;
  }
  return texts;
}

/**
 * Commits a new text of one file of the ref. The ref only moves when nobody else has moved it meanwhile; else all is done again on
 * what they left. `edit` gets the blobs by path and says which path, and the text that it had.
 */
export async function commitText(
  file: GitFile,
  message: string,
  edit: (
    blobs: ReadonlyMap<string, string>,
  ) => Promise<{ readonly path: string; readonly text: string }>,
): Promise<void> {
  const { directory, ref } = file;
  for (let round = 0; round < ATTEMPTS_MAX; round += 1) {
    const own = await tipOf({ ...file, fallback: undefined });
    const parent = own ?? (await tipOf(file));
    const blobs = parent === undefined ? new Map() : await blobsOf(directory, parent);
    const { path, text } = await edit(blobs);
    const tree = await treeWith(directory, parent, path, text);
    const commit = await commitOf(directory, tree, parent, message);
    const old = own ?? "0".repeat(commit.length);
    const moved = await attempt(directory, ["update-ref", "-m", message, ref, commit, old]);
    if (moved.ok) return;
    // A ref that stands where it stood was not moved for another reason, such as a folder that cannot be written.
    const now = await tipOf({ ...file, fallback: undefined });
    if (now === own && !moved.err.includes(".lock")) throw failed(["update-ref", ref], moved.err);
    // Two writers that fail together must not come back together.
    await wait(WAIT_MS + (process.pid % 13) * round);
  }
  throw new PerfoptError(
    "cannot-measure",
    `${ref} was moved by others ${ATTEMPTS_MAX} times while a result was added to it`,
    "try again when fewer runs end at once; the result itself is not lost when --output or --json was given",
  );
}

/** The parent's tree with one blob put in, by an index of its own. */
async function treeWith(
  directory: string,
  parent: string | undefined,
  path: string,
  text: string,
): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "perfopt-index-"));
  const env = { GIT_INDEX_FILE: join(folder, "index") };
  try {
    const blob = await git(directory, ["hash-object", "-w", "--stdin"], { input: text });
    await git(directory, parent === undefined ? ["read-tree", "--empty"] : ["read-tree", parent], {
      env,
    });
    const entry = `100644,${blob.trim()},${path}`;
    await git(directory, ["update-index", "--add", "--cacheinfo", entry], { env });
    const tree = await git(directory, ["write-tree"], { env });
    return tree.trim();
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function commitOf(
  directory: string,
  tree: string,
  parent: string | undefined,
  message: string,
): Promise<string> {
  const parents = parent === undefined ? [] : ["-p", parent];
  const known = await attempt(directory, ["var", "GIT_COMMITTER_IDENT"]);
  const env = known.ok
    ? {}
    : {
        GIT_AUTHOR_NAME: IDENTITY.name,
        GIT_AUTHOR_EMAIL: IDENTITY.email,
        GIT_COMMITTER_NAME: IDENTITY.name,
        GIT_COMMITTER_EMAIL: IDENTITY.email,
      };
  const commit = await git(directory, ["commit-tree", tree, ...parents, "-m", message], { env });
  return commit.trim();
}

interface GitOptions {
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Standard output. Throws bad-input with what git said. */
export async function git(
  directory: string,
  args: readonly string[],
  options: GitOptions = {},
): Promise<string> {
  const ended = await attempt(directory, args, options);
  if (ended.ok) return ended.out;
  throw failed(args, ended.err);
}

function failed(args: readonly string[], said: string): PerfoptError {
  return new PerfoptError(
    "bad-input",
    `git ${args[0]} failed: ${said.trim()}`,
    "a history in git needs git itself and a repository around the folder that perfopt runs in; a file needs neither",
  );
}

interface Ended {
  readonly ok: boolean;
  readonly out: string;
  readonly bytes: Buffer;
  readonly err: string;
}

/** Never throws: whether git ended well, and what it said. */
export function attempt(
  directory: string,
  args: readonly string[],
  { input = "", env = {} }: GitOptions = {},
): Promise<Ended> {
  return new Promise((done) => {
    const child = execFile(
      "git",
      [...args],
      {
        cwd: directory,
        // Its words are looked at, so they must not depend on the user's language.
        env: { ...process.env, LC_ALL: "C", ...env },
        timeout: TIMEOUT_MS,
        maxBuffer: OUTPUT_BYTES_MAX,
        encoding: "buffer",
      },
      (error, bytes, said) => {
        const err = said.toString() || (error ? messageOf(error) : "");
        done({ ok: error === null, out: bytes.toString(), bytes, err });
      },
    );
    // Git may end without reading: what it says then is in its error output.
    child.stdin?.on("error", () => {});
    child.stdin?.end(input);
  });
}
