// The load engine in a process of its own, which can be pinned to a core: sends the windows that it is given as JSON, one after
// another, and writes a line with each one's result. Usage: node generator.mjs '[{...LoadRequest}, ...]'.
import { register } from "tsx/esm/api";

register();
const { closeLoad, runWindow } = await import("../../src/load/engine.ts");

for (const request of JSON.parse(process.argv[2])) {
  const result = await runWindow(request, new AbortController().signal);
  process.stdout.write(`${JSON.stringify(result)}\n`);
}
await closeLoad();
