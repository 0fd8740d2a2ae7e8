/** Independent requests, each sent at its moment of the schedule whatever the others do: the open model. */
import { ARRIVING_CLIENTS } from "./cookies.ts";
import { launchRequest } from "./launch.ts";
import { startPacer } from "./pacer.ts";
import type { CompleteLoadRequest } from "./request.ts";
import { requestSequence } from "./requests.ts";
import { arrivalSchedule, overtimeGaps } from "./schedule.ts";
import { seedOfPart, shareOfPart } from "./sending.ts";
import type { Part, Stage } from "./sending.ts";

export function sendArrivals(request: CompleteLoadRequest, part: Part) {
  const { dueMs, measuredFrom } = arrivalSchedule(request, part);
  const next = requestSequence(request.workload, request.data, seedOfPart(request.seed, part));
  const clients = Math.max(1, shareOfPart(ARRIVING_CLIENTS, part));
  return (stage: Stage) => {
    const { recorder, flights, revalidation, cookies, startAt, windowEndsAt, goesOn } = stage;
    function launch(index: number, dueAt: number): void {
      const measured = index >= measuredFrom && index < dueMs.length;
      // Drawn even when it is then dropped: the requests that follow stay the same.
      const generated = next();
      if (flights.outstanding() >= request.outstandingMax) {
        if (measured) recorder.drop();
        return;
      }
      launchRequest(stage, generated, {
        measured,
        dueAt,
        atMs: (dueMs[index] ?? 0) - request.warmupMs,
        conditional: revalidation?.open(generated, part.index + index * part.of),
        jar: cookies?.of(index % clients),
      });
    }
    const overtime = goesOn && {
      startsAt: windowEndsAt,
      gapMs: overtimeGaps(request, part),
      goesOn,
    };
    return startPacer(startAt, dueMs, launch, flights.expire, overtime);
  };
}
