/** Changes of the real target: the intent is on disk before the effect, and every one can be undone in reverse. */
import { DirtyTargetError, messageOf } from "../core/errors.ts";
import { changeKey, type Change } from "../core/knob.ts";
import { keptChanges, type KeptChange, type Run, type RunState } from "./run.ts";

/** Applies proven changes to the real target and to the incumbent arm. */
export async function keepChanges(
  run: Run,
  state: RunState,
  changes: readonly Change[],
): Promise<void> {
  for (const change of changes) {
    const kept: KeptChange = { id: `change-${state.kept.length + 1}`, change };
    run.say(`applying ${changeKey(change)}`);
    await run.journal.append({ type: "change-applying", changeId: kept.id, change });
    // Listed before it is made: a change that fails half way is undone like one that was made.
    state.kept.push(kept);
    const detail = await run.target.apply(change);
    await run.journal.append({ type: "change-applied", changeId: kept.id, detail });
  }
  await run.bench.setArm("incumbent", keptChanges(state));
}

/** Undoes every change of this run, the last first; returns what was undone. Throws DirtyTargetError at the first that fails. */
export async function undoAll(run: Run, state: RunState): Promise<readonly Change[]> {
  const undone: Change[] = [];
  for (const kept of state.kept.toReversed()) {
    run.say(`undoing ${changeKey(kept.change)}`);
    await run.journal.append({ type: "change-reverting", changeId: kept.id });
    try {
      const detail = await run.target.revert(kept.change);
      await run.journal.append({ type: "change-reverted", changeId: kept.id, detail });
    } catch (error) {
      throw new DirtyTargetError(`could not undo ${changeKey(kept.change)}: ${messageOf(error)}`, {
        cause: error,
      });
    }
    undone.push(kept.change);
  }
  state.kept = [];
  return undone;
}
