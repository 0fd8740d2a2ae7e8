/** What holds arms: the folder they live in, one use at a time, and their removal whatever happened. */
import { rm } from "node:fs/promises";
import { messageOf, PerfoptError } from "../core/errors.ts";
import type { Resource } from "../core/event.ts";
import { makeFolder } from "./home.ts";
import type { Note } from "./resources.ts";

/** What has to be called, in reverse order, to take an arm away again. */
export type Undo = () => Promise<void>;

export interface StandOptions {
  readonly runId: string;
  readonly folder: string;
  readonly note: Note;
}

export interface Stand<T> {
  readonly arms: T;
  /** Only one arm is under load, and none is changed meanwhile, whatever the caller does at once. */
  readonly exclusively: <R>(use: () => Promise<R>) => Promise<R>;
  /** Stops and removes everything that was made; safe to call more than once and after any failure. */
  readonly close: () => Promise<void>;
}

/** The arms' folder outlives them when something failed: the error's message names a log in it. */
interface Logs {
  needed: boolean;
}

/** Every step of `openArms` that leaves something behind adds its undo at once. */
export async function openStand<T>(
  options: StandOptions,
  openArms: (undo: Undo[]) => Promise<T>,
): Promise<Stand<T>> {
  const undo: Undo[] = [];
  const logs = { needed: false };
  try {
    await openFolder(options, undo, logs);
    const arms = await openArms(undo);
    const exclusively = oneAtATime((error) => (logs.needed ||= !isInterrupt(error)));
    return { arms, exclusively, close: () => exclusively(() => undoAll(undo)) };
  } catch (error) {
    logs.needed = true;
    // The first failure is the one to report; the journal still lists what could not be removed.
    await undoAll(undo).catch(() => {});
    throw error;
  }
}

/** One use after another, in the order of asking; one that fails does not hinder the next. */
export function oneAtATime(
  onFailure: (error: unknown) => void,
): <T>(use: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (use) => {
    const next = last.then(use);
    last = next.catch(onFailure);
    return next;
  };
}

/** Whoever stopped it wants no log. */
function isInterrupt(error: unknown): boolean {
  return error instanceof PerfoptError && error.code === "interrupted";
}

async function openFolder(options: StandOptions, undo: Undo[], logs: Logs): Promise<void> {
  const resource: Resource = {
    id: `${options.runId}/folder`,
    kind: "directory",
    path: options.folder,
  };
  await options.note({ type: "resource-creating", resource });
  await makeFolder(options.folder);
  await options.note({ type: "resource-created", resource });
  undo.push(async () => {
    if (!logs.needed) await rm(options.folder, { recursive: true, force: true });
    await options.note({ type: "resource-removed", resourceId: resource.id });
  });
}

/** Undoes the last first; goes on after a failure, and reports the first one at the end. What is undone is forgotten. */
async function undoAll(undo: Undo[]): Promise<void> {
  const failures: unknown[] = [];
  for (let step = undo.pop(); step; step = undo.pop()) {
    try {
      await step();
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length === 0) return;
  throw new PerfoptError(
    "dirty-target",
    `the arms could not be removed: ${failures.map(messageOf).join("; ")}`,
    "run `perfopt rollback`, which tries again",
    { cause: failures[0] },
  );
}
