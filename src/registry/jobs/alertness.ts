// Whether this process looks after jobs: it sleeps while there are none, and then sends the stores nothing on their account.

export type Alertness = {
  readonly asleep: () => boolean;
  /** A job came, or is about to. */
  readonly wake: () => void;
  /** What a count of all jobs found: whether any is still to be done, by whomever. */
  readonly saw: (open: boolean) => void;
};

/** Long enough that jobs that come every other second find the workers awake. */
const QUIET_MS = 3_000;

/** Asleep at first. `changed` is told of each change, and not of the beginning. */
export function createAlertness(changed: (asleep: boolean) => void): Alertness {
  let asleep = true;
  let lastJobMs = -Infinity;

  function wake(): void {
    lastJobMs = performance.now();
    if (!asleep) return;
    asleep = false;
    changed(asleep);
  }

  return {
    asleep: () => asleep,
    wake,
    saw(open) {
      if (open) wake();
      if (asleep || performance.now() - lastJobMs < QUIET_MS) return;
      asleep = true;
      changed(asleep);
    },
  };
}

/** Of a process that is there for nothing but jobs. */
export const ALWAYS_AWAKE: Alertness = { asleep: () => false, wake() {}, saw() {} };
