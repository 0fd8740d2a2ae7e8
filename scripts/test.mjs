/** `npm test`: sets up as the quickstart does, then runs the tests. Arguments go to vitest. */
import { bin, runInFront, setUp, tryHaproxy } from "./setup.mjs";

setUp();
tryHaproxy();
process.exitCode = runInFront(bin("vitest"), ["run", ...process.argv.slice(2)]);
