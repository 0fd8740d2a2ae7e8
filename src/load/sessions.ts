/** Sessions that begin on schedule, whatever the others do; within each, a request waits for the answer to the one before. */
import type { Pacer } from "./pacer.ts";
import type { CompleteLoadRequest } from "./request.ts";
import { arrivalSchedule, overtimeGaps } from "./schedule.ts";
import type { Part, Stage } from "./sending.ts";
import { scripts } from "./sessions-script.ts";
import { openTurns } from "./sessions-turns.ts";

/**
 * The first request counts from the moment its session was to begin, later ones from the end of the answer before plus the think
 * time. What is due in the window is measured; sessions under way at its end are left there.
 */
export function sendSessions(request: CompleteLoadRequest, part: Part): (stage: Stage) => Pacer {
  const { dueMs } = arrivalSchedule(request, part);
  const open = scripts(request.workload, request.data, request.seed);
  return (stage) => {
    const { at, play, pacer } = openTurns(stage, request.outstandingMax);
    const gapMs = stage.goesOn && overtimeGaps(request, part);
    let lastAt = stage.windowEndsAt;
    function dueAtOf(index: number): number | undefined {
      const afterMs = dueMs[index];
      if (afterMs !== undefined) return stage.startAt + afterMs;
      if (gapMs) lastAt += gapMs();
      return gapMs ? lastAt : undefined;
    }
    function beginFrom(index: number): void {
      const dueAt = dueAtOf(index);
      if (dueAt === undefined) return;
      at(dueAt, () => {
        beginFrom(index + 1);
        play(open(part.index + index * part.of), dueAt, () => undefined);
      });
    }
    beginFrom(0);
    return pacer;
  };
}
