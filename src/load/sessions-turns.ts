/** The sessions under way: sends each one's next request when it is due, and ends those of which one failed. */
import { performance } from "node:perf_hooks";
import TinyQueue from "tinyqueue";
import { launchRequest } from "./launch.ts";
import { paceQueue } from "./pacer.ts";
import type { Pacer } from "./pacer.ts";
import type { Stage } from "./sending.ts";
import type { Script, Turn } from "./sessions-script.ts";

export interface Turns {
  /** Calls back at a time, in order; never after the window's end, unless the stage goes on. */
  readonly at: (dueAt: number, run: () => void) => void;
  /** Sends a script's requests from `freeAt` on; `onEnd` is called when the last was answered, or one failed. */
  readonly play: (script: Script, freeAt: number, onEnd: (at: number) => void) => void;
  /** Finishes at the window's end, or when the stage goes on no longer, or when nothing can become due any more. */
  readonly pacer: Pacer;
}

/** Key among the statuses of answers that lack what their session needs of them. */
const NO_CAPTURE = "no-capture";

interface Due {
  readonly dueAt: number;
  readonly run: () => void;
}

/** A request that is due while `outstandingMax` wait for answers is dropped, and its session ends. */
export function openTurns(stage: Stage, outstandingMax: number): Turns {
  const { flights, recorder, revalidation, cookies, windowStartsAt, windowEndsAt } = stage;
  const goesOn = (): boolean => stage.goesOn?.() === true;
  const due = new TinyQueue<Due>([], (a, b) => a.dueAt - b.dueAt);
  /** Sessions that will be due again when their answer has come. */
  let awaited = 0;
  const pacer = paceQueue(
    {
      dueAt: () => due.peek()?.dueAt ?? Infinity,
      launch: () => due.pop()?.run(),
      finished: (now) => (now >= windowEndsAt && !goesOn()) || (due.length === 0 && awaited === 0),
    },
    flights.expire,
  );

  function at(dueAt: number, run: () => void): void {
    if (dueAt > windowEndsAt && !goesOn()) return;
    due.push({ dueAt, run });
    pacer.wake();
  }

  function play(script: Script, freeAt: number, onEnd: (at: number) => void): void {
    const next = script.turns.next();
    if (next.done === true) {
      onEnd(freeAt);
      return;
    }
    const turn = next.value;
    const dueAt = freeAt + turn.thinkMs;
    at(dueAt, () => {
      send(turn, script.client, dueAt, (endedAt, usable) => {
        if (usable) play(script, endedAt, onEnd);
        else onEnd(endedAt);
      });
    });
  }

  function send(
    turn: Turn,
    client: number,
    dueAt: number,
    onEnd: (at: number, usable: boolean) => void,
  ): void {
    const measured = dueAt >= windowStartsAt && dueAt <= windowEndsAt;
    const generated = turn.fill();
    if (flights.outstanding() >= outstandingMax) {
      if (measured) recorder.drop();
      onEnd(performance.now(), false);
      return;
    }
    // What later turns need is in the body that a 304 leaves out.
    const conditional = turn.captures ? undefined : revalidation?.open(generated, client);
    let usable = false;
    awaited += 1;
    launchRequest(stage, generated, {
      measured,
      dueAt,
      atMs: dueAt - windowStartsAt,
      conditional,
      jar: cookies?.of(client),
      keepBody: turn.keepBody,
      refusal: (answer) => {
        const known = conditional?.held !== undefined && answer.status === 304;
        if (!known && !turn.isExpected(answer.status)) return undefined;
        usable = known || turn.accept(answer);
        return usable ? undefined : NO_CAPTURE;
      },
      onEnd: () => {
        awaited -= 1;
        onEnd(performance.now(), usable);
      },
    });
  }

  return { at, play, pacer };
}
