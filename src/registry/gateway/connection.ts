// Connections to a worker, on which its answer is read although it takes no more of the request.

import { Socket } from "node:net";
import { buildConnector } from "undici";

/**
 * A worker that answers early (413, 401) with `Connection: close` resets the connection while the client still sends.
 * Node destroys a socket as soon as a write fails, with what it has received and not read yet. Here a failed write waits
 * until everything that arrived was read: the end of the reading side follows a reset in any case.
 */
export function createConnector(timeoutMs: number): buildConnector.connector {
  const connect = buildConnector({ timeout: timeoutMs });
  return (options, callback) => {
    connect(options, (...result) => {
      // Whatever the types say, there is none after an error.
      const [, socket] = result;
      if (socket instanceof Socket) readToTheEnd(socket);
      callback(...result);
    });
  };
}

type Done = (error?: Error | null) => void;

function readToTheEnd(socket: Socket): void {
  const held =
    (done: Done): Done =>
    (error) => {
      if (error instanceof Error && !socket.readableEnded) socket.once("end", () => done(error));
      else done(error);
    };
  const write = socket["_write"].bind(socket);
  const writeMany = socket["_writev"]?.bind(socket);
  socket["_write"] = (chunk, encoding, done) => write(chunk, encoding, held(done));
  if (writeMany !== undefined) socket["_writev"] = (chunks, done) => writeMany(chunks, held(done));
}
