/** What a journal says is still there: changes of the real target, and processes, databases and folders that a run made. */
import type { Entry, Resource, RunEvent } from "../core/event.ts";
import type { Change } from "../core/knob.ts";

interface PendingChange {
  readonly changeId: string;
  readonly change: Change;
  /** `half`: the intent is on disk, and whether it took or was half undone is unknown. */
  readonly state: "applied" | "half";
}

export interface Pending {
  /** The last one applied first: the order in which they have to be undone. */
  readonly changes: readonly PendingChange[];
  readonly resources: readonly Resource[];
}

/** Folds a journal; an intent without its completion counts as done, since reverting is safe for a change never made. */
export function pendingUndo(entries: readonly Entry[]): Pending {
  const changes = new Map<string, PendingChange>();
  const resources = new Map<string, Resource>();
  for (const { event } of entries) note(event, changes, resources);
  return {
    changes: [...changes.values()].toReversed(),
    resources: [...resources.values()].toReversed(),
  };
}

function note(
  event: RunEvent,
  changes: Map<string, PendingChange>,
  resources: Map<string, Resource>,
): void {
  switch (event.type) {
    case "change-applying":
      // Taken out first, so that a change made again counts from its last time.
      changes.delete(event.changeId);
      changes.set(event.changeId, {
        changeId: event.changeId,
        change: event.change,
        state: "half",
      });
      break;
    case "change-applied":
      setState(changes, event.changeId, "applied");
      break;
    case "change-reverting":
      setState(changes, event.changeId, "half");
      break;
    case "change-reverted":
      changes.delete(event.changeId);
      break;
    case "resource-creating":
    case "resource-created":
      resources.set(event.resource.id, event.resource);
      break;
    case "resource-removed":
      resources.delete(event.resourceId);
      break;
    case "run-started":
    case "rate-set":
    case "noise-measured":
    case "phase-started":
    case "observed":
    case "probed":
    case "trial-started":
    case "sampled":
    case "trial-decided":
    case "phase-finished":
    case "confirmed":
    case "capacity-measured":
    case "warning":
    case "sequence-started":
    case "sequence-run":
    case "sequence-checked":
    case "run-finished":
    case "rolled-back":
      break;
  }
}

function setState(
  changes: Map<string, PendingChange>,
  changeId: string,
  state: PendingChange["state"],
): void {
  const found = changes.get(changeId);
  if (found) changes.set(changeId, { ...found, state });
}
