/** A way to Redis for one process alone, which can hang or be cut while the others reach it. */
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

export interface Proxy {
  readonly url: string;
  /** Nothing goes through and nobody is told: a network that drops packets. */
  readonly hang: () => void;
  /** What hung is lost with its connections; new ones get through. */
  readonly heal: () => void;
  readonly close: () => Promise<void>;
}

export async function startProxy(redisUrl: string): Promise<Proxy> {
  const port = Number(new URL(redisUrl).port);
  const pairs = new Set<readonly [Socket, Socket]>();
  let hanging = false;
  const server = createServer({ pauseOnConnect: true }, (near) => {
    const far = connect(port, "127.0.0.1");
    const pair = [near, far] as const;
    pairs.add(pair);
    for (const [from, to] of [pair, [far, near] as const]) {
      from.on("error", () => from.destroy());
      from.on("close", () => {
        to.destroy();
        pairs.delete(pair);
      });
      from.on("data", (bytes) => {
        // What is swallowed here leaves the connection in ruins; it is destroyed when the network is back.
        if (!hanging) to.write(bytes);
      });
    }
    near.resume();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const own = typeof address === "object" && address !== null ? address.port : 0;
  const drop = (): void => {
    for (const [near, far] of pairs) {
      near.destroy();
      far.destroy();
    }
  };
  return {
    url: `redis://127.0.0.1:${own}`,
    hang() {
      hanging = true;
    },
    heal() {
      hanging = false;
      drop();
    },
    async close() {
      drop();
      server.close();
      await once(server, "close");
    },
  };
}
