/** Runs the command line in this process, in a folder of the test's own: for commands that start nothing. */
import { contextOf } from "../../src/cli/context.ts";
import { main } from "../../src/cli/main.ts";
import type { Ended } from "./perfopt.ts";

export async function inProcess(folder: string, ...args: readonly string[]): Promise<Ended> {
  const printed = { out: "", err: "" };
  const context = contextOf(args);
  const code = await main(args, {
    ...context,
    directory: folder,
    out: (text) => void (printed.out += text),
    err: (text) => void (printed.err += text),
  });
  return { code, ...printed };
}
