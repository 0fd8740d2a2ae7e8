/** A history in git: on a branch of its own, or as notes on the commits that were measured. */
import { PerfoptError } from "../core/errors.ts";
import type { GateSide } from "../core/gate.ts";
import { attempt, blobsOf, commitText, git, textOf, textsOf, tipOf, type GitFile } from "./git.ts";
import type { Place } from "./place.ts";

const FILE = "history.jsonl";

interface Text {
  /** For the errors of its lines. */
  readonly name: string;
  readonly text: string;
}

/** Throws bad-input outside of a repository, and for a branch that holds something else. */
export async function checkGit(
  place: Exclude<Place, { kind: "file" }>,
  directory: string,
): Promise<void> {
  await git(directory, ["rev-parse", "--git-dir"]);
  if (place.kind === "branch") await checkBranch(place.name, directory);
}

export async function appendToBranch(
  name: string,
  line: string,
  side: GateSide,
  directory: string,
): Promise<string> {
  await checkBranch(name, directory);
  await commitText(branchFile(name, directory), `bench of ${subjectOf(side)}`, async (blobs) => {
    const blob = blobs.get(FILE);
    const old = blob === undefined ? "" : await textOf(directory, blob);
    return { path: FILE, text: joined(old, line) };
  });
  return `added to the history on the branch ${name}; to share it: git push origin ${name}`;
}

export async function appendToNotes(
  ref: string,
  line: string,
  side: GateSide,
  directory: string,
): Promise<string> {
  const commit = await measuredCommit(side, directory);
  await commitText(
    { directory, ref, fallback: undefined },
    `bench of ${subjectOf(side)}`,
    async (blobs) => {
      // Git spreads many notes over folders named by the first digits.
      const path = [...blobs.keys()].find((each) => each.replaceAll("/", "") === commit) ?? commit;
      const blob = blobs.get(path);
      const old = blob === undefined ? "" : await textOf(directory, blob);
      return { path, text: joined(old, line) };
    },
  );
  return `added to the notes ${ref} on ${commit.slice(0, 10)}; to share them: git push origin ${ref}`;
}

export async function readBranch(name: string, directory: string): Promise<Text> {
  const tip = await tipOf(branchFile(name, directory));
  const blob = tip === undefined ? undefined : (await blobsOf(directory, tip)).get(FILE);
  if (blob === undefined) {
    throw new PerfoptError(
      "bad-input",
      tip === undefined ? `there is no branch ${name}` : `the branch ${name} has no ${FILE}`,
      `fetch it with \`git fetch origin ${name}:${name}\`, or begin it with \`perfopt bench --append git-branch:${name}\``,
    );
  }
  return { name: `${name}:${FILE}`, text: await textOf(directory, blob) };
}

export async function readNotes(ref: string, directory: string): Promise<readonly Text[]> {
  const tip = await tipOf({ directory, ref, fallback: undefined });
  if (tip === undefined) {
    throw new PerfoptError(
      "bad-input",
      `there are no notes ${ref}`,
      `fetch them with \`git fetch origin ${ref}:${ref}\`, or begin them with \`perfopt bench --append git-notes\``,
    );
  }
  const blobs = await blobsOf(directory, tip);
  const texts = await textsOf(directory, [...blobs.values()]);
  return [...blobs.keys()].map((path, index) => ({
    name: `note on ${path.replaceAll("/", "").slice(0, 10)}`,
    text: texts[index] ?? "",
  }));
}

/** A clone of CI has what it fetched under the remote's name only. */
function branchFile(name: string, directory: string): GitFile {
  return { directory, ref: `refs/heads/${name}`, fallback: `refs/remotes/origin/${name}` };
}

/** A branch under somebody's working tree would be changed under their hands; one with a program on it is no history. */
async function checkBranch(name: string, directory: string): Promise<void> {
  const trees = await git(directory, ["worktree", "list", "--porcelain"]);
  if (trees.split("\n").includes(`branch refs/heads/${name}`)) {
    throw notAHistory(`the branch ${name} is checked out`);
  }
  const tip = await tipOf(branchFile(name, directory));
  if (tip !== undefined && !(await blobsOf(directory, tip)).has(FILE)) {
    throw notAHistory(`the branch ${name} exists and has no ${FILE}`);
  }
}

function notAHistory(what: string): PerfoptError {
  return new PerfoptError(
    "bad-input",
    `${what}, so no history is kept on it`,
    "name a branch that does not exist yet, for example git-branch:perfopt-history",
  );
}

/** Throws when what was measured is not a commit of this repository. */
async function measuredCommit(side: GateSide, directory: string): Promise<string> {
  if (side.commit !== undefined) {
    const name = `${side.commit}^{commit}`;
    const found = await attempt(directory, ["rev-parse", "--verify", "--quiet", name]);
    if (found.ok) return found.out.trim();
  }
  throw new PerfoptError(
    "bad-input",
    `${subjectOf(side)} is no commit of this repository, so it cannot have a note`,
    "measure a commit, or keep the history in a file or with git-branch:NAME",
  );
}

function subjectOf({ label, commit }: GateSide): string {
  return commit === undefined || commit === label ? label : `${label} (${commit})`;
}

function joined(old: string, line: string): string {
  return old === "" || old.endsWith("\n") ? old + line : `${old}\n${line}`;
}
