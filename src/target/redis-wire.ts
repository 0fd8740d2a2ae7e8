/** A bare connection to Redis for commands by the hundred thousand, all of which answer with an integer. */
import { connect, type Socket } from "node:net";
import { PerfoptError } from "../core/errors.ts";

/** Answers to commands that return an integer or fail. */
export interface RedisWire {
  /** Sends commands, already encoded, and resolves with the integers that come back, in order. Not to be called before that. */
  send(commands: Buffer | string, answers: number): Promise<Float64Array>;
  close(): void;
}

const ANSWER_TIMEOUT_MS = 30_000;
const COLON = 0x3a;
const MINUS = 0x2d;
const PLUS = 0x2b;
const LINE_END = 0x0a;

export async function openRedisWire(url: string): Promise<RedisWire> {
  const { hostname, port, password, username } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port || 6379), noDelay: true });
  const wire = wireOf(socket);
  if (password !== "") {
    const words = ["AUTH", ...(username === "" ? [] : [decodeURIComponent(username)])];
    try {
      await wire.send(encodeCommand([...words, decodeURIComponent(password)]), 1);
    } catch (error) {
      wire.close();
      throw error;
    }
  }
  return wire;
}

/** Latin-1 text: a character is a byte. */
export function encodeCommand(words: readonly string[]): string {
  let text = `*${words.length}\r\n`;
  for (const word of words) text += `$${word.length}\r\n${word}\r\n`;
  return text;
}

interface Waiting {
  readonly answers: Float64Array;
  readonly resolve: (answers: Float64Array) => void;
  readonly reject: (error: Error) => void;
  received: number;
}

function wireOf(socket: Socket): RedisWire {
  let waiting: Waiting | undefined;
  let failure: Error | undefined;
  /** What the last chunk ended with: an unfinished line. */
  let rest: Buffer = Buffer.alloc(0);
  const fail = (error: Error) => {
    failure ??= error;
    waiting?.reject(failure);
    waiting = undefined;
    socket.destroy();
  };
  socket.setTimeout(ANSWER_TIMEOUT_MS, () => {
    if (waiting) fail(broken(`no answer for ${ANSWER_TIMEOUT_MS / 1_000} s`));
  });
  socket.on("error", (error) => fail(broken(error.message)));
  socket.on("close", () => fail(broken("the connection was closed")));
  socket.on("data", (chunk: Buffer) => {
    const bytes = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
    let from = 0;
    for (;;) {
      const end = bytes.indexOf(LINE_END, from);
      if (end < 0 || !waiting) break;
      const kind = bytes[from];
      if (kind === MINUS) return fail(broken(bytes.toString("latin1", from + 1, end).trim()));
      if (kind !== COLON && kind !== PLUS)
        return fail(broken("an answer was neither a number nor a status"));
      waiting.answers[waiting.received] =
        kind === COLON ? Number(bytes.toString("latin1", from + 1, end)) : 0;
      waiting.received += 1;
      from = end + 1;
      if (waiting.received === waiting.answers.length) {
        const done = waiting;
        waiting = undefined;
        done.resolve(done.answers);
      }
    }
    rest = bytes.subarray(from);
  });
  return {
    send: (commands, answers) =>
      new Promise((resolve, reject) => {
        if (failure) return reject(failure);
        if (answers === 0) return resolve(new Float64Array(0));
        waiting = { answers: new Float64Array(answers), resolve, reject, received: 0 };
        socket.write(commands, "latin1");
      }),
    close: () => socket.destroy(),
  };
}

function broken(what: string): PerfoptError {
  return new PerfoptError(
    "cannot-measure",
    `the connection to the scratch Redis broke: ${what}`,
    "read the server's log, and check that the machine has memory left",
  );
}
