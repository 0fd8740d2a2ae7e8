/** A closed loop: so many users, each of which sends its next request, or session, when the last one is done and it has thought. */
import type { ThinkTime } from "../core/workload.ts";
import type { Pacer } from "./pacer.ts";
import type { CompleteLoadRequest } from "./request.ts";
import type { Part, Stage } from "./sending.ts";
import { drawThink, scripts } from "./sessions-script.ts";
import { openTurns } from "./sessions-turns.ts";

export interface Users {
  readonly count: number;
  readonly think: ThinkTime;
}

/**
 * Users start one after another over the warm-up, and stop at the window's end. A request is due when its user has thought: one
 * that waits for an answer sends nothing, so that a slow service is asked less, and nothing is ever dropped.
 */
export function sendUsers(
  request: CompleteLoadRequest,
  { count, think }: Users,
  part: Part,
): (stage: Stage) => Pacer {
  const open = scripts(request.workload, request.data, request.seed);
  return (stage) => {
    const { at, play, pacer } = openTurns(stage, Infinity);
    /** Each round of each user is a session of its own number, so that none depends on how far another user is. */
    function playRound(user: number, round: number, freeAt: number): void {
      const script = { ...open(user + round * count), client: user };
      const pauseMs = drawThink(think, script.uniform);
      play(script, freeAt, (endedAt) => {
        const nextAt = endedAt + pauseMs;
        at(nextAt, () => playRound(user, round + 1, nextAt));
      });
    }
    for (let user = part.index; user < count; user += part.of) {
      const startAt = stage.startAt + (request.warmupMs * user) / count;
      at(startAt, () => playRound(user, 0, startAt));
    }
    return pacer;
  };
}
