// One connection to a worker: a request is written to it, and its answer read, one at a time.

import { connect } from "node:net";
import type { Socket } from "node:net";
import { beginAnswer, endAnswer, readAnswer } from "./answer.ts";
import type { AnswerReading, AnswerSink } from "./answer.ts";
import type { Body, Upload } from "./body.ts";

export type Failure =
  /** No byte of the request reached the worker. */
  | "unsent"
  /** The worker may have done what was asked. */
  | "broken"
  | "late";

export type Question = {
  /** With the empty line after it. */
  readonly head: string;
  readonly body: Body;
  readonly toHead: boolean;
  /** Whether the connection is closed afterwards. */
  readonly closeAfter: boolean;
  /** Told of its answer, and that it ended or failed; of nothing more after that. */
  readonly sink: AnswerSink & { readonly failed: (failure: Failure, why: string) => void };
};

export type Connection = {
  readonly socket: Socket;
  connected: boolean;
  exchange: Exchange | undefined;
  /** When something of the exchange last moved (performance.now). */
  movedMs: number;
  /** Until when it may be used again. */
  keptUntilMs: number;
  why: string;
};

type Exchange = {
  readonly question: Question;
  readonly reading: AnswerReading;
  /** What is still to be sent. */
  upload: Upload | undefined;
  paused: boolean;
};

export type ConnectionEvents = {
  /** An answer has ended, and the connection can be used again for so long. */
  readonly free: (connection: Connection, keptMs: number | undefined) => void;
  readonly closed: (connection: Connection) => void;
};

/** Up to here head and body are one write. */
const ONE_WRITE_MAX_BYTES = 8 * 1024;

export function openConnection(
  { host, port }: { readonly host: string; readonly port: number },
  connectTimeoutMs: number,
  events: ConnectionEvents,
): Connection {
  const socket = connect({ host, port, noDelay: true });
  const connection: Connection = {
    socket,
    connected: false,
    exchange: undefined,
    movedMs: performance.now(),
    keptUntilMs: 0,
    why: "the connection was closed",
  };
  const late = setTimeout(
    () => socket.destroy(new Error(`no connection in ${connectTimeoutMs} ms`)),
    connectTimeoutMs,
  );
  socket.once("connect", () => {
    clearTimeout(late);
    connection.connected = true;
    readToTheEnd(socket);
    send(connection);
  });
  socket.on("data", (bytes) => received(connection, bytes, events));
  socket.on("drain", () => connection.exchange?.upload?.more());
  socket.on("end", () => {
    const { exchange } = connection;
    if (exchange !== undefined && endAnswer(exchange.reading, exchange.question.sink))
      over(connection, exchange);
    socket.destroy();
  });
  socket.on("error", (error) => {
    connection.why = error.message || error.name;
  });
  socket.once("close", () => {
    clearTimeout(late);
    fail(connection, connection.connected ? "broken" : "unsent", connection.why);
    events.closed(connection);
  });
  return connection;
}

/** Of a connection that has no request under way. */
export function ask(connection: Connection, question: Question): void {
  const { body, toHead } = question;
  const upload = body === null || Buffer.isBuffer(body) ? undefined : body;
  connection.exchange = { question, reading: beginAnswer(toHead), upload, paused: false };
  if (connection.connected) send(connection);
}

/** The answer is not wanted any more: nothing is told of it. */
export function abandon(connection: Connection): void {
  const { exchange } = connection;
  if (exchange !== undefined) over(connection, exchange);
  connection.socket.destroy();
}

export function pauseAnswer(connection: Connection, paused: boolean): void {
  const { exchange, socket } = connection;
  if (exchange === undefined) return;
  exchange.paused = paused;
  connection.movedMs = performance.now();
  if (paused) socket.pause();
  else socket.resume();
}

/** Ends a connection on which the worker has been silent for so long while it was its turn. */
export function endIfSilent(connection: Connection, nowMs: number, silentMaxMs: number): void {
  const { exchange, socket, connected, movedMs } = connection;
  if (exchange === undefined || !connected || exchange.paused) return;
  // It is the client who is waited for.
  if (exchange.upload !== undefined && !socket.writableNeedDrain) return;
  if (nowMs - movedMs <= silentMaxMs) return;
  fail(connection, "late", `silent for ${silentMaxMs} ms`);
  socket.destroy();
}

function send(connection: Connection): void {
  const { exchange, socket } = connection;
  if (exchange === undefined) return;
  const { head, body } = exchange.question;
  connection.movedMs = performance.now();
  if (body === null) {
    socket.write(head, "latin1");
  } else if (!Buffer.isBuffer(body)) {
    socket.write(head, "latin1");
    sendUpload(connection, exchange, body);
  } else if (body.length <= ONE_WRITE_MAX_BYTES) {
    socket.write(head + body.toString("latin1"), "latin1");
  } else {
    socket.cork();
    socket.write(head, "latin1");
    socket.write(body);
    socket.uncork();
  }
}

function sendUpload(connection: Connection, exchange: Exchange, upload: Upload): void {
  const { socket } = connection;
  const chunked = upload.lengthBytes === undefined;
  upload.passTo({
    chunk(bytes) {
      connection.movedMs = performance.now();
      if (!chunked) return socket.write(bytes);
      socket.cork();
      socket.write(`${bytes.length.toString(16)}\r\n`, "latin1");
      socket.write(bytes);
      const wanted = socket.write("\r\n", "latin1");
      socket.uncork();
      return wanted;
    },
    end() {
      exchange.upload = undefined;
      connection.movedMs = performance.now();
      if (chunked) socket.write("0\r\n\r\n", "latin1");
    },
  });
}

function received(connection: Connection, bytes: Buffer, events: ConnectionEvents): void {
  const { exchange, socket } = connection;
  if (exchange === undefined) {
    // Nobody asked.
    socket.destroy();
    return;
  }
  connection.movedMs = performance.now();
  const { reading, question } = exchange;
  let alone: boolean;
  try {
    alone = readAnswer(reading, bytes, question.sink);
  } catch (error) {
    fail(connection, "broken", error instanceof Error ? error.message : String(error));
    socket.destroy();
    return;
  }
  if (reading.stage !== "whole" || connection.exchange !== exchange) return;
  const reusable = alone && reading.lasts && exchange.upload === undefined && !question.closeAfter;
  over(connection, exchange);
  if (reusable) events.free(connection, reading.keptMs);
  else socket.destroy();
}

function fail(connection: Connection, failure: Failure, why: string): void {
  const { exchange } = connection;
  if (exchange === undefined) return;
  over(connection, exchange);
  exchange.question.sink.failed(failure, why);
}

function over(connection: Connection, exchange: Exchange): void {
  connection.exchange = undefined;
  if (exchange.paused) connection.socket.resume();
  exchange.upload?.stop();
}

type Done = (error?: Error | null) => void;

/**
 * A worker that answers early (413, 401) with `Connection: close` resets the connection while the client still sends.
 * Node destroys a socket as soon as a write fails, with what it has received and not read yet. Here a failed write waits
 * until everything that arrived was read: the end of the reading side follows a reset in any case.
 */
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
