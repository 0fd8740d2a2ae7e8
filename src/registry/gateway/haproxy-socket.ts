// Commands to a running HAProxy, and its statistics.

import { connect } from "node:net";
import { BACKEND, serverName } from "./haproxy-config.ts";

export type ServerStats = {
  readonly up: boolean;
  readonly inflight: number;
  /** Since HAProxy started. */
  readonly failed: number;
  readonly ejections: number;
  readonly retries: number;
};

const TIMEOUT_MS = 2_000;

/** What HAProxy says to one command; rejects when it does not answer. */
export function command(socketPath: string, line: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = "";
    const socket = connect(socketPath, () => socket.write(`${line}\n`));
    socket.setTimeout(TIMEOUT_MS, () => socket.destroy(new Error("HAProxy does not answer")));
    socket.setEncoding("utf8");
    socket.on("data", (text: string) => (answer += text));
    socket.once("end", () => resolve(answer));
    socket.once("error", reject);
  });
}

/** By worker. */
export async function readStats(
  socketPath: string,
  workers: readonly string[],
): Promise<ReadonlyMap<string, ServerStats>> {
  const csv = await command(socketPath, "show stat");
  const [head = "", ...lines] = csv.split("\n");
  const columns = head.replace(/^# /, "").split(",");
  const rows = lines.map((line) => {
    const cells = line.split(",");
    return new Map(columns.map((column, index) => [column, cells[index] ?? ""]));
  });
  const stats = new Map<string, ServerStats>();
  for (const worker of workers) {
    const row = rows.find(
      (each) => each.get("pxname") === BACKEND && each.get("svname") === serverName(worker),
    );
    if (row === undefined) continue;
    const count = (column: string): number => Number(row.get(column) ?? 0);
    stats.set(worker, {
      up: row.get("status")?.startsWith("UP") ?? false,
      inflight: count("scur"),
      failed: count("econ") + count("eresp"),
      ejections: count("chkdown"),
      retries: count("wretr") + count("wredis"),
    });
  }
  return stats;
}
