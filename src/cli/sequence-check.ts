/** The final check of a sequence: which personas need one, and its measuring on fresh arms. */
import { join } from "node:path";
import type { RunEvent } from "../core/event.ts";
import type { Change, KnobValue } from "../core/knob.ts";
import { closeLoad } from "../load/engine.ts";
import { checkTogether } from "../optimize/check.ts";
import { defaultLimits } from "../optimize/run.ts";
import { changesOf } from "../report/changes.ts";
import { changedEarlier, changedLater, keptSomething } from "../report/sequence/net.ts";
import type { Part, SequenceSummary } from "../report/sequence/summary.ts";
import { openBench } from "../target/arms.ts";
import { openTarget } from "../target/live.ts";
import { tunerOf } from "../tuners/index.ts";
import type { Context } from "./context.ts";
import { planOf, type Job } from "./job.ts";
import { loadParameters } from "./parameters.ts";
import { progressOf, type Progress } from "./progress.ts";
import { loadOf, watchedBy, workloadOf } from "./session.ts";
import { openStores } from "./solo.ts";

export interface CheckedSequence {
  readonly id: string;
  readonly note: (event: RunEvent) => Promise<void>;
  /** As far as the runs went. */
  readonly summary: SequenceSummary;
}

/** The personas whose own confirmation is not of all that was kept against the state before all of it. */
export function toCheck({ parts }: SequenceSummary): readonly Part[] {
  if (!parts.some(keptSomething)) return [];
  return parts.filter(
    (part) =>
      part.summary?.rate !== undefined &&
      (changedLater(parts, part).length > 0 || changedEarlier(parts, part).length > 0),
  );
}

/** Measures one persona after another until the time is used up; what could not be measured is a warning in the sequence's journal. */
export async function checkSequence(
  context: Context,
  jobs: readonly Job[],
  sequence: CheckedSequence,
  deadline: number,
): Promise<void> {
  for (const part of toCheck(sequence.summary)) {
    const job = jobs.find(({ persona }) => persona.name === part.name);
    if (!job) continue;
    const progress = progressOf(context);
    try {
      progress.print(`\nFinal check for ${part.title}: everything kept against the state before`);
      const note = async (event: RunEvent) => {
        await sequence.note(event);
        progress.show(event);
      };
      const measured = await checkPart(context, job, part, {
        ...sequence,
        note,
        deadline,
        progress,
      });
      if (!measured) await note(skipped(part));
    } finally {
      progress.stop();
    }
  }
}

function skipped(part: Part): RunEvent {
  return {
    type: "warning",
    message: `the final check for ${part.title} was left out: the time left did not pay for one that could say anything`,
  };
}

interface Checking extends CheckedSequence {
  readonly deadline: number;
  readonly progress: Progress;
}

/** Returns whether there was time. */
async function checkPart(
  context: Context,
  job: Job,
  part: Part,
  { id, note, summary, deadline, progress }: Checking,
): Promise<boolean> {
  const { target, persona } = job;
  const { kept, before } = together(summary);
  const source = await openStores(context, job, progress);
  try {
    const workload = workloadOf(job);
    const data = await loadParameters(source.adminUrl, workload);
    progress.say("starting both arms");
    const runId = `${id}-${persona.name}`;
    const { signal, home } = context;
    const bench = await openBench({
      targetFile: target,
      home,
      runId,
      folder: join(home, "arms", runId),
      source,
      baselineValues: before,
      present: kept,
      writesInBulk: (workload.tasks ?? []).length > 0,
      environment: context.env,
      note,
      signal,
      ...loadOf(job, workload, data),
    });
    try {
      return await checkTogether(
        {
          plan: planOf(job),
          persona,
          tunerOf,
          bench,
          target: await openTarget({
            targetFile: target,
            home,
            source,
            environment: context.env,
            signal,
          }),
          journal: { append: note },
          clock: { now: () => performance.now() },
          deadline,
          seed: job.seed,
          signal,
          watched: watchedBy(persona),
          limits: defaultLimits,
          say: progress.say,
        },
        {
          changes: kept,
          requestsPerSecond: part.summary?.rate?.event.requestsPerSecond ?? 0,
          pairMs: pairMsOf(part),
        },
      );
    } finally {
      progress.say("taking the arms down");
      await bench.close();
    }
  } finally {
    await closeLoad();
    await source.close();
  }
}

/** Everything kept, and the knobs' values before any of it. */
function together({ parts, net }: SequenceSummary): {
  readonly kept: readonly Change[];
  readonly before: Readonly<Record<string, KnobValue>>;
} {
  const first = parts.find(({ summary }) => summary)?.summary;
  return { kept: changesOf(net.changes), before: first?.start.event.baselineValues ?? {} };
}

/** What a pair took in the persona's own run, where bulk work makes windows longer than planned; 0 where that is unknown. */
function pairMsOf({ summary }: Part): number {
  const windows = summary?.entries.filter(
    ({ event }) => event.type === "sampled" && event.block === "noise",
  );
  const [first, last] = [windows?.at(0), windows?.at(-1)];
  if (!windows || !first || !last || windows.length < 2) return 0;
  return (2 * (Date.parse(last.at) - Date.parse(first.at))) / (windows.length - 1);
}
