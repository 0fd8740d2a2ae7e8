// Tells work that nobody waits for its answer any more.

import type { ServerResponse } from "node:http";
import { RegistryError } from "../errors.ts";

/** Aborts when the connection closes before the answer was written. */
export function whenGone(response: ServerResponse): AbortSignal {
  const gone = new AbortController();
  const closed = (): void => {
    // No fault of the service, so nothing for its log; and there is nobody to read it.
    if (!response.writableFinished)
      gone.abort(new RegistryError("BAD_REQUEST", "The client closed the connection."));
  };
  if (response.closed) closed();
  else response.once("close", closed);
  return gone.signal;
}
