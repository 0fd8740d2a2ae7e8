/** How much memory a sort or a hash should have: enough for those that were seen on disk, and no more than all sessions can have at once. */
import { formatBytes } from "../../core/units.ts";
import { notWorth, type SettingsInput, type Verdict } from "./idea.ts";
import { spillsOf, type Spill } from "./spills.ts";

/** A session may sort and hash at several places at once. */
const AT_ONCE = 2;
/** The rest is for shared buffers, the page cache, the service and what hashes take beyond work_mem (hash_mem_multiplier). */
const MACHINE_SHARE = 0.5;
const SPILLS_SHOWN = 6;

export function memoryIdea(input: SettingsInput): Verdict {
  const { executed, values, hashMultiplier, machineBytes, sessions } = input;
  const present = Number(values["pg-work-mem"]);
  const spills = executed
    .flatMap((each) => spillsOf(each, hashMultiplier))
    .toSorted((a, b) => b.neededBytes - a.neededBytes);
  const [largest] = spills;
  if (!largest) {
    return notWorth(
      "work_mem",
      `nothing that was executed went to disk with ${formatBytes(present)}`,
    );
  }
  const most = (machineBytes * MACHINE_SHARE) / (sessions.count * AT_ONCE);
  const arithmetic = `half of ${formatBytes(machineBytes)} of memory / (${sessions.count} ${sessions.of} x ${AT_ONCE}) = ${formatBytes(most)}`;
  const fitting = spills.filter(({ neededBytes }) => powerOver(neededBytes) <= most);
  // After a larger one was kept, the estimate may still have been too small for some.
  const wanted = fitting.map(({ neededBytes }) => powerOver(neededBytes));
  const to = Math.max(0, ...wanted);
  if (to === 0) {
    return notWorth(
      "work_mem",
      `the smallest that went to disk needs ${formatBytes(spills.at(-1)?.neededBytes ?? 0)}, more than every session can have: ${arithmetic}`,
    );
  }
  if (to <= present) {
    return notWorth(
      "work_mem",
      `${formatBytes(present)} should be enough for what went to disk, by its number of rows`,
    );
  }
  return {
    kind: "idea",
    idea: {
      role: "pg-work-mem",
      to,
      hypothesis: `with work_mem at ${formatBytes(to)} instead of ${formatBytes(present)} ${fitting.length === 1 ? "a sort or hash stays" : `${fitting.length} sorts and hashes stay`} in memory`,
      evidence: [
        ...fitting.slice(0, SPILLS_SHOWN).map(describe),
        ...(fitting.length < spills.length
          ? [`${spills.length - fitting.length} need more than every session can have`]
          : []),
        `at most ${arithmetic}; ${formatBytes(to)} is the next power of two above the need`,
      ],
    },
  };
}

function describe({ node, diskBytes, neededBytes }: Spill): string {
  const disk =
    diskBytes === undefined
      ? "was split into batches on disk"
      : `wrote ${formatBytes(diskBytes)} to disk`;
  return `${node} ${disk}; in memory it needs ${formatBytes(neededBytes)}, estimated from its rows and their width`;
}

function powerOver(bytes: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(1, bytes)));
}
