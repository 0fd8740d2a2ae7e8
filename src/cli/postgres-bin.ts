/** `--postgres-bin`: an installed PostgreSQL to plan with, instead of the binaries that perfopt brings or fetches. */
import { resolve } from "node:path";
import type { Context } from "./context.ts";

export function binariesOf(
  context: Context,
  { postgresBin }: { readonly postgresBin?: string },
): { readonly binariesFolder?: string } {
  return postgresBin === undefined
    ? {}
    : { binariesFolder: resolve(context.directory, postgresBin) };
}
