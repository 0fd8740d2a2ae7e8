// A process that traces and has nothing else to do: it must end although its socket is open. With "read" it connects to itself first.
// Usage: node --import tsx fixture-traced-service.mjs [stay | exit]
import { createCacheTracer } from "../../src/tracer/index.ts";

const tracer = createCacheTracer();
for (let id = 0; id < 10; id += 1) tracer.miss(`models:${id}`);
process.stdout.write(`${process.pid}\n`);
if (process.argv[2] === "stay") {
  process.stdin.resume();
  process.stdin.on("data", () => tracer.hit("models:1", 10));
  process.stdin.on("end", () => process.stdin.pause());
}
if (process.argv[2] === "exit") process.exit(0);
