/** Tells the journal about every process, database and folder that a run makes, before and after. */
import type { Resource, RunEvent } from "../core/event.ts";
import type { RunningProcess } from "./process.ts";

export type Note = (event: RunEvent) => Promise<void>;

/** Before the process exists its id is unknown: rollback then finds it by the resource's id in its environment. */
const UNKNOWN_PROCESS = { pid: 0, startTicks: "" } as const;

export interface ProcessResource {
  readonly id: string;
  readonly onProcess: (process: RunningProcess) => Promise<void>;
  readonly removed: () => Promise<void>;
}

export async function noteProcess(note: Note, id: string, title: string): Promise<ProcessResource> {
  const resource: Resource = { id, kind: "process", title, ...UNKNOWN_PROCESS };
  await note({ type: "resource-creating", resource });
  return {
    id,
    onProcess: ({ pid, startTicks }) =>
      note({ type: "resource-created", resource: { ...resource, pid, startTicks } }),
    removed: () => note({ type: "resource-removed", resourceId: id }),
  };
}
