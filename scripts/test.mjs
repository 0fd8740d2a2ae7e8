/** `npm test`: sets up as the quickstart does, then runs the tests. Arguments go to vitest. */
import { bin, runInFront, setUp } from "./setup.mjs";

setUp();
process.exitCode = runInFront(bin("vitest"), ["run", ...process.argv.slice(2)]);
