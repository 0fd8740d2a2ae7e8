/** What a person sees while a run goes on: a spinner on a terminal, plain lines elsewhere, a table for each decision. */
import ora from "ora";
import type { RunEvent } from "../core/event.ts";
import { changeKey } from "../core/knob.ts";
import { formatDuration } from "../core/units.ts";
import type { Context } from "./context.ts";
import { capacityLines, checkedLines, confirmedLines, decisionLines, noiseLine } from "./words.ts";

export interface Progress {
  /** What is being done now. */
  readonly say: (line: string) => void;
  /** Something worth keeping on the screen. */
  readonly print: (text: string) => void;
  readonly show: (event: RunEvent) => void;
  readonly stop: () => void;
}

export function progressOf(context: Context): Progress {
  const { say, print, stop } = context.interactive ? spinner(context) : plainLines(context);
  return { say, print, stop, show: (event) => showEvent(event, context, print) };
}

function spinner(context: Context) {
  const spin = ora({ stream: process.stderr, discardStdin: false });
  return {
    say: (line: string) => {
      spin.text = line;
      if (!spin.isSpinning) spin.start();
    },
    print: (text: string) => {
      spin.clear();
      context.err(`${text}\n`);
    },
    stop: () => void spin.stop(),
  };
}

function plainLines(context: Context) {
  const started = performance.now();
  let last = "";
  return {
    say: (line: string) => {
      if (line === last) return;
      last = line;
      context.err(
        `[${formatDuration(Math.round((performance.now() - started) / 1000) * 1000)}] ${line}\n`,
      );
    },
    print: (text: string) => context.err(`${text}\n`),
    stop: () => {},
  };
}

/** Events that a person wants to see; the others only go to the journal. */
function showEvent(event: RunEvent, context: Context, print: (text: string) => void): void {
  const { style } = context;
  switch (event.type) {
    case "rate-set":
      print(`Open-loop rate: ${event.requestsPerSecond} requests/s, ${event.how}.`);
      return;
    case "noise-measured":
      print(noiseLine(event));
      return;
    case "phase-started":
      print(
        `\n${style.strong(`Phase: ${event.strategy}`)}${event.again ? ", gone on with in the time that the others left" : ""}`,
      );
      return;
    case "trial-started":
      print(`  candidate: ${event.candidate.hypothesis}`);
      return;
    case "trial-decided":
      print(decisionLines(event, style));
      return;
    case "change-applied":
      print(style.dim(`  applied: ${event.detail}`));
      return;
    case "change-reverting":
      print(style.dim(`  undoing ${event.changeId}`));
      return;
    case "phase-finished":
      print(`  ${style.dim(`phase ends: ${event.because}`)}`);
      return;
    case "probed":
      print(style.dim(`  probed ${event.changes.map(changeKey).join(", ")}`));
      return;
    case "confirmed":
      print(confirmedLines(event, style));
      return;
    case "capacity-measured":
      print(capacityLines(event));
      return;
    case "sequence-checked":
      print(checkedLines(event));
      return;
    case "warning":
      print(style.warn(`warning: ${event.message}`));
      return;
    case "run-started":
    case "resource-creating":
    case "resource-created":
    case "resource-removed":
    case "observed":
    case "sampled":
    case "change-applying":
    case "change-reverted":
    case "sequence-started":
    case "sequence-run":
    case "run-finished":
    case "rolled-back":
      return;
  }
}
