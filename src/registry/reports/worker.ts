// What each thread of a report runs: one part at a time, timed where it is done, its bytes handed over without a copy.

import { move, transferableSymbol, valueSymbol } from "piscina";
import { encodePart } from "./encode.ts";
import type { Encoded, Part } from "./part.ts";

export default function work(part: Part): object {
  const startedMs = performance.now();
  const made = encodePart(part);
  const encoded: Encoded = { ...made, busySeconds: (performance.now() - startedMs) / 1000 };
  return handOver(encoded);
}

/** Piscina transfers what such an object names; in the other thread only the value arrives. */
function handOver(encoded: Encoded): object {
  return move({
    get [transferableSymbol]() {
      return encoded.bytes.buffer;
    },
    get [valueSymbol]() {
      return encoded;
    },
  });
}
