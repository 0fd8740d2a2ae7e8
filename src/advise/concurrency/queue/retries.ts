/** What failed attempts say: failures that pass are worth another attempt soon, failures that stay are worth none. */
import { formatDuration, formatRatio } from "../../../core/units.ts";
import { countOf } from "../gain-words.ts";
import type { QueueSettings, Retries } from "./facts.ts";
import type { Idea } from "./policy.ts";

/** Fewer failed attempts in a window say nothing of their kind. */
const FAILURES_LEAST = 10;
/** Above this share of all attempts a retry's pause is in the p95 of the jobs. */
const SHARE_IN_P95 = 0.05;
/** Failures count as of one kind when this share of them is. */
const MOSTLY = 0.9;
/** Jobs that may be given up on although another attempt would have done it. */
const LOST_MOST = 0.0001;
const ATTEMPTS_MOST = 10;
const BACKOFF_DIVISOR = 4;

export function retryPolicies(
  retries: Retries | undefined,
  settings: QueueSettings,
): readonly Idea[] {
  const { attempts, backoffMs } = settings;
  if (attempts === undefined && backoffMs === undefined) return [{ nothing: "" }];
  if (!retries)
    return [
      {
        nothing:
          "retries were not judged: how many attempts failed for how many jobs done is not known",
      },
    ];
  const { failedAttempts, failureRatio, deadLetters } = retries;
  const failed = `${countOf(failedAttempts, "attempt")} failed (${formatRatio(failureRatio)})`;
  if (deadLetters === undefined) {
    return [
      {
        nothing: `retries were not judged: how many jobs were given up on was not measured (${failed})`,
      },
    ];
  }
  const words = `${failed}, ${countOf(deadLetters, "dead letter")}`;
  if (failedAttempts < FAILURES_LEAST) return [{ nothing: `hardly an attempt failed: ${words}` }];
  // A job that was given up on has failed in all of its attempts.
  const lasting = Math.min(1, (deadLetters * (attempts ?? 1)) / failedAttempts);
  if (lasting >= MOSTLY) return [fewerAttempts(words, settings)];
  if (lasting > 1 - MOSTLY) {
    return [
      moreAttempts(words, { ...retries, deadLetters }, settings) ?? {
        nothing: `failures are of both kinds (${formatRatio(lasting)} last): the present retries suit neither better (${words})`,
      },
    ];
  }
  return [soonerAgain(words, retries, settings)];
}

/** What failed stays failed: each further attempt is work for nothing. */
function fewerAttempts(words: string, { attempts }: QueueSettings): Idea {
  if (attempts === undefined || attempts <= 1) return { nothing: `failures last: ${words}` };
  const wanted = Math.max(1, attempts - 1);
  return {
    set: { "job-attempts": wanted },
    hypothesis: `at most ${countOf(wanted, "attempt")} instead of ${attempts} save work on jobs that never succeed`,
    facts: [`${words}: nearly all failures are of jobs that failed every time`],
    shownBy: ["service.cpuMsPerRequest", "queue.failureRatio"],
  };
}

/** Failures by chance: with a share f of failures a job is lost with f to the power of its attempts. */
function moreAttempts(
  words: string,
  { failureRatio, jobs, deadLetters }: Retries & { readonly deadLetters: number },
  { attempts }: QueueSettings,
): Idea | undefined {
  if (attempts === undefined || failureRatio <= 0) return undefined;
  const expected = jobs * failureRatio ** attempts;
  if (deadLetters > 3 * expected) return undefined;
  const needed = Math.ceil(Math.log(LOST_MOST) / Math.log(failureRatio));
  const wanted = Math.min(ATTEMPTS_MOST, needed);
  if (wanted <= attempts) return undefined;
  return {
    set: { "job-attempts": wanted },
    hypothesis: `up to ${countOf(wanted, "attempt")} instead of ${attempts} leave fewer jobs to bad luck`,
    facts: [
      `${words}: no more than chance can explain with ${countOf(attempts, "attempt")} (${countOf(expected, "job")} expected), so that another attempt would have done most of these jobs`,
    ],
    shownBy: ["queue.deadLetters"],
  };
}

/** Failures that pass: the pause before the next attempt is what such jobs wait for. */
function soonerAgain(words: string, { failureRatio }: Retries, { backoffMs }: QueueSettings): Idea {
  if (backoffMs === undefined || backoffMs <= 0) return { nothing: `failures pass: ${words}` };
  if (failureRatio < SHARE_IN_P95) {
    return {
      nothing: `failures pass and are too rare to be in the p95 (${words}): a shorter pause would gain nothing there`,
    };
  }
  const wanted = Math.round(backoffMs / BACKOFF_DIVISOR);
  return {
    set: { "job-backoff": wanted },
    hypothesis: `failures pass, so that trying again after ${formatDuration(wanted)} instead of ${formatDuration(backoffMs)} ends those jobs sooner`,
    facts: [`${words}: nearly all jobs that failed succeeded later`],
    shownBy: ["queue.latencyP95Ms"],
  };
}
