// The least that is an HTTP server, in a process of its own: answers every GET with the same bytes, so that a generator beside it
// is the bottleneck. Usage: fork("minimal-server.mjs"); sends { port }.
import { createServer } from "node:net";

const ANSWER = Buffer.from("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
const END = Buffer.from("\r\n\r\n");

const server = createServer({ noDelay: true }, (socket) => {
  let rest = Buffer.alloc(0);
  socket.on("data", (chunk) => {
    let text = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    for (let end = text.indexOf(END); end >= 0; end = text.indexOf(END)) {
      socket.write(ANSWER);
      text = text.subarray(end + END.length);
    }
    rest = text;
  });
  socket.on("error", () => socket.destroy());
});
server.listen(0, "127.0.0.1", () => process.send({ port: server.address().port }));
process.on("disconnect", () => process.exit());
