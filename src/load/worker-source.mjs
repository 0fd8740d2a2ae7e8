// Starts the load worker from its TypeScript source, for tests and `tsx`; the built package starts worker.js itself.
import { register } from "tsx/esm/api";

register();
await import("./worker.ts");
