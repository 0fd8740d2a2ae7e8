// Starts the threads' work from its TypeScript source, for tests and `tsx`; the built package loads worker.js itself.
import { register } from "tsx/esm/api";

register();
const { default: run } = await import("./worker.ts");
export default run;
