/** The real target's database, whoever runs its server: perfopt (embedded) or the user (url). */
import { createHash } from "node:crypto";
import { PerfoptError } from "../core/errors.ts";
import type { TargetFile } from "../core/target-file.ts";
import { openCluster } from "./cluster.ts";
import type { Environment } from "./home.ts";
import type { RunningProcess } from "./process.ts";
import { SERVICE_ROLE } from "./postgres-server.ts";
import { numberOf, rowsOf, withConnection } from "./sql.ts";
import { UP_COMMAND } from "./lock.ts";

export interface SourceOptions {
  readonly targetFile: TargetFile;
  readonly home: string;
  readonly scale: string;
  readonly seed: number;
  readonly environment: Environment;
  /** `bench`: for measuring, without a vacuum that could fall into one arm's window. `up`: as a service wants it. */
  readonly purpose: "bench" | "up";
  readonly onProgress: (line: string) => void;
  readonly signal: AbortSignal;
}

export interface Source {
  /** Tells this database from the target's others (another scale, another server); no secret in it. */
  readonly id: string;
  /** To the target's database, with the right to clone it. */
  readonly adminUrl: string;
  /** To the target's database, as the service connects. */
  readonly serviceUrl: string;
  /** Of clones; undefined: whoever clones. */
  readonly owner: string | undefined;
  /** Undefined when the server is not perfopt's own. */
  readonly server: { readonly process: RunningProcess; readonly dataFolder: string } | undefined;
  readonly postgresVersion: string;
  readonly scale: string | undefined;
  readonly rowsByTable: Readonly<Record<string, number>>;
  readonly databaseBytes: number;
  readonly close: () => Promise<void>;
  /** Leaves the server running in the background, which holds the cluster from now on. */
  readonly leaveRunning: () => Promise<void>;
}

export async function openSource(options: SourceOptions): Promise<Source> {
  const { postgres } = options.targetFile;
  if (postgres.kind === "url") return openUrl(postgres.url);
  if (postgres.kind === "none") {
    throw new PerfoptError(
      "bad-input",
      `${options.targetFile.title} is known by its URL alone, so it cannot be started or cloned`,
      "write a target file, and give it by --target",
    );
  }
  const cluster = await openCluster({
    ...options,
    settings: options.purpose === "bench" ? { autovacuum: "off" } : {},
    command: options.purpose === "bench" ? "perfopt run" : UP_COMMAND,
  });
  const { server } = cluster;
  return {
    id: cluster.key,
    adminUrl: server.adminUrl(postgres.database),
    serviceUrl: server.serviceUrl(postgres.database),
    owner: SERVICE_ROLE,
    server: { process: server.process, dataFolder: server.dataFolder },
    postgresVersion: server.version,
    scale: cluster.facts.scale,
    rowsByTable: cluster.facts.rowsByTable,
    databaseBytes: cluster.facts.databaseBytes,
    close: cluster.close,
    leaveRunning: async () => {
      await cluster.lock.transfer(server.process, UP_COMMAND);
      server.process.release();
    },
  };
}

async function openUrl(url: string): Promise<Source> {
  const facts = await withConnection(url, async (client) => {
    const [server] = await rowsOf(
      client,
      "SELECT current_setting('server_version') AS version, pg_database_size(current_database()) AS bytes",
    );
    const tables = await rowsOf(
      client,
      `SELECT n.nspname AS schema, c.relname AS name, greatest(c.reltuples, 0)::bigint AS rows
       FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
       WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1, 2`,
    );
    return { server, tables };
  });
  const { host, pathname } = new URL(url);
  return {
    id: `url-${createHash("sha256").update(`${host}${pathname}`).digest("hex").slice(0, 12)}`,
    adminUrl: url,
    serviceUrl: url,
    owner: undefined,
    server: undefined,
    postgresVersion: String(facts.server?.["version"]).split(" ")[0] ?? "unknown",
    scale: undefined,
    rowsByTable: Object.fromEntries(
      facts.tables.map((row) => {
        const name = String(row["name"]);
        return [
          row["schema"] === "public" ? name : `${row["schema"]}.${name}`,
          numberOf(row, "rows"),
        ];
      }),
    ),
    databaseBytes: numberOf(facts.server, "bytes"),
    close: async () => {},
    leaveRunning: async () => {},
  };
}
