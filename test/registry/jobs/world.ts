/** What tests of jobs share: a receiver of webhooks, signed artifacts, and looks into the database. */
import { generateKeyPairSync, sign } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingHttpHeaders } from "node:http";
import { Client } from "pg";
import { API_BASE } from "../../../src/registry/endpoint.ts";

export interface Received {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface Receiver {
  readonly url: string;
  readonly received: readonly Received[];
  /** The status of further answers to requests for this path; 200 unless set. */
  readonly answer: (path: string, status: number) => void;
  readonly close: () => Promise<void>;
}

export async function startReceiver(): Promise<Receiver> {
  const received: Received[] = [];
  const statuses = new Map<string, number>();
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const path = request.url ?? "";
      const body = Buffer.concat(chunks).toString();
      received.push({ path, headers: request.headers, body });
      response.writeHead(statuses.get(path) ?? 200).end();
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("No port was given.");
  return {
    url: `http://127.0.0.1:${address.port}`,
    received,
    answer: (path, status) => void statuses.set(path, status),
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

export interface Look {
  /** The first column of each row. */
  readonly column: <T>(sql: string, values?: readonly unknown[]) => Promise<readonly T[]>;
  readonly number: (sql: string, values?: readonly unknown[]) => Promise<number>;
  readonly close: () => Promise<void>;
}

export async function lookInto(databaseUrl: string): Promise<Look> {
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  const column = async <T>(sql: string, values: readonly unknown[] = []) => {
    const { rows } = await client.query<T[]>({ text: sql, values: [...values], rowMode: "array" });
    return rows.flatMap(([first]) => (first === undefined ? [] : [first]));
  };
  return {
    column,
    number: async (sql, values) => Number((await column(sql, values))[0]),
    close: () => client.end(),
  };
}

/** Uploads content with its signature, or with that of other content. */
export async function uploadArtifact(
  url: string,
  { name, version }: { readonly name: string; readonly version: number },
  content: Uint8Array,
  signed: Uint8Array = content,
): Promise<void> {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const query = new URLSearchParams({ name, version: String(version), path: "model.bin" });
  const answer = await fetch(`${url}${API_BASE}/model-versions/artifact?${query.toString()}`, {
    method: "PUT",
    body: Buffer.from(content),
    headers: {
      "content-type": "application/octet-stream",
      "x-artifact-signature": sign(null, signed, privateKey).toString("base64"),
      "x-artifact-public-key": publicKey.export({ type: "spki", format: "der" }).toString("base64"),
    },
  });
  if (!answer.ok)
    throw new Error(`The artifact was answered with ${answer.status}: ${await answer.text()}`);
  await answer.body?.cancel();
}
