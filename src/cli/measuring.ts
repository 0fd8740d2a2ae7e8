/** What bench and gate do around their measuring: a journal of what they start, so that rollback can remove it after a crash. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { messageOf, redactSecrets } from "../core/errors.ts";
import type { RunEvent } from "../core/event.ts";
import type { TargetFile } from "../core/target-file.ts";
import { openJournal } from "../journal/journal.ts";
import { registerRun } from "../journal/runs.ts";
import type { Context } from "./context.ts";
import { refuseWhenDirty } from "./runs.ts";

export interface Measuring {
  readonly runId: string;
  readonly note: (event: RunEvent) => Promise<void>;
}

export interface MeasuringOptions {
  readonly kind: "bench" | "gate";
  /** As the user named it: rollback reads it again, when the checkouts of a gate are gone. */
  readonly target: TargetFile;
  readonly scale: string | undefined;
  readonly seed: number;
}

/** Throws dirty-target when an earlier run of the target left something behind. */
export async function whileJournalled<T>(
  context: Context,
  { kind, target, scale, seed }: MeasuringOptions,
  use: (measuring: Measuring) => Promise<T>,
): Promise<T> {
  await refuseWhenDirty(context, target.name);
  const startedAt = new Date().toISOString();
  const runId = `${startedAt.slice(0, 19).replaceAll(":", "-")}-${kind}`;
  const folder = join(context.home, "measured", runId);
  await mkdir(folder, { recursive: true });
  const journal = await openJournal(join(folder, "run.jsonl"));
  const note = (event: RunEvent) => journal.append(event);
  await registerRun(context.home, {
    kind,
    id: runId,
    startedAt,
    persona: kind,
    target: target.name,
    targetPath: target.path,
    scale,
    seed,
    journalPath: journal.path,
  });
  try {
    const result = await use({ runId, note });
    await note({ type: "run-finished", outcome: "completed", detail: `${kind} ended` });
    return result;
  } catch (error) {
    const outcome = context.signal.aborted ? "interrupted" : "failed";
    await note({ type: "run-finished", outcome, detail: redactSecrets(messageOf(error)) });
    throw error;
  } finally {
    await journal.close();
  }
}
