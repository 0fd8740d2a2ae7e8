/** fast-check with a fixed seed, so that a merge is never held up by what it did not change; PERFOPT_PROPERTY_SEED=random (or a number) searches further. */
import { configureGlobal } from "fast-check";

const wanted = process.env["PERFOPT_PROPERTY_SEED"] ?? "42";
if (wanted !== "random") configureGlobal({ seed: Number(wanted) });

export * from "fast-check";
