/** Opens a planner's server in a process of its own, so that a test can kill it: home. Prints where it works, then waits. */
import { openPlannerServer } from "../../src/target/planner-server.ts";
import { neverAborted } from "../integration/stores.ts";

const [home = ""] = process.argv.slice(2);
const server = await openPlannerServer({
  home,
  major: 18,
  signal: neverAborted,
  environment: process.env,
});
const connection = await server.connect("template1");
const [row] = await connection.query("SHOW data_directory");
process.stdout.write(`${row?.["data_directory"]}\n`);
setInterval(() => {}, 60_000);
