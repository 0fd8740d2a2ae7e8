/** `advise indexes --structures`: plans for materialised views and partitioning, proven with --verify on the copy that it makes. */
import type { Command } from "commander";
import type { PricingEngine } from "../advise/indexes/studied.ts";
import type { StructureInput } from "../advise/structures/input.ts";
import { structuresOf } from "../advise/structures/plans.ts";
import { proveStructures } from "../advise/structures/prove.ts";
import type { IndexAdvice } from "../core/advice.ts";
import { messageOf, throwIfAborted } from "../core/errors.ts";
import type { StructureAdvice, StructureProof } from "../core/structure.ts";
import { withStructureStand } from "../target/prove-structures.ts";
import type { AdviceSource } from "./advise-source.ts";
import type { ProofPlace, VerifyOptions, WithProofPlace } from "./advise-verify.ts";
import type { Context } from "./context.ts";
import { seedOf } from "./job.ts";
import type { Progress } from "./progress.ts";

export interface StructureOptions extends VerifyOptions {
  readonly structures?: boolean;
}

/** All plans together; a refresh or a copy into partitions takes as long as it takes. */
const PROOF_LIMIT_MS = 10 * 60_000;

export function addStructureOption(command: Command): Command {
  return command.option(
    "--structures",
    "plans for materialised views and partitioning too; with --verify they are tried on the copy. They are never applied",
  );
}

export interface StructureStudy {
  /** Absent: nobody asked. */
  readonly advice?: StructureAdvice;
  /** Tries the plans in the place, once. */
  readonly prove: (at: ProofPlace) => Promise<void>;
  /** What it found; undefined before. */
  readonly proofs: () => readonly StructureProof[] | undefined;
}

export async function structureStudy(
  context: Context,
  options: StructureOptions,
  source: AdviceSource & { readonly engine: PricingEngine },
  progress: Progress,
): Promise<StructureStudy> {
  if (options.structures !== true)
    return { prove: () => Promise.resolve(), proofs: () => undefined };
  progress.say("looking for views and partitions");
  const { snapshot, workload, engine } = source;
  const plan: StructureInput["plan"] = (...asked) => engine.whatIf.plan(...asked);
  const advice = await structuresOf({ snapshot, workload, plan });
  let proofs: readonly StructureProof[] | undefined;
  const prove = async ({ url, place }: ProofPlace): Promise<void> => {
    if (advice.plans.length === 0) return;
    if (place === "given") {
      progress.print(
        "plans for views and partitions are not tried in a database that was given (--verify-on): they copy tables",
      );
      return;
    }
    proofs = await withStructureStand({ url, signal: context.signal }, (stand) =>
      proveStructures(stand, advice.plans, PROOF_LIMIT_MS, {
        seed: seedOf(options),
        now: () => performance.now(),
        signal: context.signal,
        onProgress: progress.say,
      }),
    ).catch((error: unknown) => {
      throwIfAborted(context.signal);
      progress.print(`plans for views and partitions could not be tried: ${messageOf(error)}`);
      return undefined;
    });
  };
  return { advice, prove, proofs: () => proofs };
}

/** Where no index was to be proven, the copy is made for the plans alone; `inPlace` is what is done there. */
export async function withStructures(
  advice: IndexAdvice,
  { advice: structures, proofs }: StructureStudy,
  withPlace: WithProofPlace | undefined,
  inPlace: StructureStudy["prove"],
): Promise<IndexAdvice> {
  if (structures === undefined) return advice;
  const proposed = structures.plans.length > 0 && advice.verification === undefined;
  if (proposed && withPlace) await withPlace(inPlace);
  const found = proofs();
  return { ...advice, structures: { ...structures, ...(found ? { proofs: found } : {}) } };
}
