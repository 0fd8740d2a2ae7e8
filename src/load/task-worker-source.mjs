// Starts the task thread from its TypeScript source, for tests and `tsx`; the built package starts task-worker.js itself.
import { register } from "tsx/esm/api";

register();
await import("./task-worker.ts");
