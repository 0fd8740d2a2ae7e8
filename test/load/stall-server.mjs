// An HTTP server of known latency, in a process of its own: DELAY ms for every request, and a stall of STALL ms in every PERIOD ms,
// whose requests are all answered DELAY ms after its end. It writes down when each request was answered, and so is its own truth.
// Usage: fork("stall-server.mjs", [DELAY, STALL, PERIOD, AWAKE]); sends { port }, and on any message { answers: [[path, ms], ...] }.
import { createServer } from "node:http";
import { performance } from "node:perf_hooks";

const [delayMs, stallMs, periodMs, awakeMs] = process.argv.slice(2).map(Number);
const startedAt = performance.now();
const nap = new Int32Array(new SharedArrayBuffer(4));
// In the order of their due times: a later request is never due before an earlier one.
const waiting = [];
let answers = [];

const server = createServer((request, response) => {
  const now = performance.now();
  const phase = (now - startedAt) % periodMs;
  const untilStallEnds = phase >= periodMs - stallMs ? periodMs - phase : 0;
  waiting.push({ path: request.url, response, dueAt: now + untilStallEnds + delayMs });
  if (waiting.length === 1) setImmediate(answerDue);
});
// A client that opens a thousand connections in a stall must not lose one to a full queue: it would try again a second later.
server.listen({ port: 0, host: "127.0.0.1", backlog: 4_096 }, () =>
  process.send({ port: server.address().port }),
);
process.on("message", () => {
  process.send({ answers });
  answers = [];
});
process.on("disconnect", () => process.exit());

function answerDue() {
  for (let first = waiting[0]; first && first.dueAt <= performance.now(); first = waiting[0]) {
    waiting.shift();
    answers.push([first.path, performance.now()]);
    first.response.end("ok");
  }
  if (waiting.length === 0) return;
  // A nap ends a tenth of a millisecond late: with a core of its own, the server spends the last of the wait awake.
  if (waiting[0].dueAt - performance.now() > awakeMs) Atomics.wait(nap, 0, 0, 0.05);
  setImmediate(answerDue);
}
