/** The rows that a workload's parameters are drawn from, read once: from the target's database, and from files. */
import { messageOf, PerfoptError } from "../core/errors.ts";
import type { ParameterData, Row, WorkloadDefinition } from "../core/workload.ts";
import { queryDatabase } from "../target/sql.ts";
import { readCsv } from "./csv.ts";

/**
 * `url`: of the database, undefined where perfopt can reach none. Throws bad-input naming the parameter when its query or file cannot
 * be read, or has no rows.
 */
export async function loadParameters(
  url: string | undefined,
  workload: WorkloadDefinition,
): Promise<ParameterData> {
  const data: Record<string, readonly Row[]> = {};
  for (const { name, source } of workload.parameters) {
    const where = `parameter ${name} of workload ${workload.name}`;
    if (source.kind === "csv") data[name] = await readCsv(source.path, source.limit, where);
    if (source.kind === "sql") data[name] = await queriedRows(url, source, where);
  }
  return data;
}

async function queriedRows(
  url: string | undefined,
  { query, limit }: { readonly query: string; readonly limit: number },
  where: string,
): Promise<readonly Row[]> {
  if (url === undefined) {
    throw new PerfoptError(
      "bad-input",
      `${where} is read by SQL, and the target has no database that perfopt can reach`,
      "run `perfopt target up` first, name the database in the target file (postgres.url), or use values or csv",
    );
  }
  const rows = await rowsOf(url, query, limit, where);
  if (rows.length > 0) return rows;
  throw new PerfoptError(
    "bad-input",
    `${where}: its query found no rows`,
    "check the query against the target's data",
  );
}

async function rowsOf(
  url: string,
  query: string,
  limit: number,
  where: string,
): Promise<readonly Row[]> {
  try {
    return await queryDatabase(
      url,
      `SELECT * FROM (${query.replace(/;\s*$/, "")}) AS rows LIMIT ${limit}`,
    );
  } catch (error) {
    throw new PerfoptError(
      "bad-input",
      `${where}: its query failed: ${messageOf(error)}`,
      "try the query by hand",
      {
        cause: error,
      },
    );
  }
}
