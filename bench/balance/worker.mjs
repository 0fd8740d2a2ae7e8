/** A worker that is nothing but an HTTP server, in a process of its own: it can be killed and stopped, and says how much it was asked. */
import { createServer } from "node:http";

const ANSWER = JSON.stringify({ registered_models: [{ name: "a" }, { name: "b" }] });
let asked = 0;

const server = createServer((request, response) => {
  if (request.url === "/readyz") {
    response.end("ready");
  } else if (request.url === "/asked") {
    response.end(String(asked));
  } else {
    asked += 1;
    response.setHeader("Content-Type", "application/json");
    response.end(ANSWER);
  }
});
server.keepAliveTimeout = 72_000;
server.listen(0, "127.0.0.1", () => process.send?.(server.address().port));
process.on("disconnect", () => process.exit(0));
