/** `npm run check`: types, lint, format, dead code, package, schemas, tests; stops at the first that fails. `--static` leaves the tests out. */
import { bin, runInFront, say, setUp } from "./setup.mjs";

setUp();
/** Title, program, arguments.
 * @type {[string, string, string[]][]} */
const all = [
  ["types", "tsc", ["--noEmit", "-p", "."]],
  ["lint", "oxlint", ["--type-aware", "--deny-warnings"]],
  ["format", "oxfmt", ["--check", "src", "test", "bench", "scripts", "bin"]],
  ["dead code", "knip", []],
  ["package", "publint", ["--strict"]],
  ["profile schemas", "tsx", ["scripts/schemas.ts", "--check"]],
  ["tests", "vitest", ["run"]],
];
const steps = all.filter(([title]) => title !== "tests" || !process.argv.includes("--static"));
for (const [title, program, args] of steps) {
  say(title);
  const status = runInFront(bin(program), args);
  if (status !== 0) {
    say(`${title}: failed`);
    process.exit(status);
  }
}
say("all checks passed");
