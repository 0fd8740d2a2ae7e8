/** The rows that a workload's parameters are drawn from, read once from the target's database. */
import { messageOf, PerfoptError } from "../core/errors.ts";
import type { ParameterData, Row, WorkloadDefinition } from "../core/workload.ts";
import { queryDatabase } from "../target/sql.ts";

/** Throws bad-input naming the parameter when its query fails or finds nothing. */
export async function loadParameters(
  url: string,
  workload: WorkloadDefinition,
): Promise<ParameterData> {
  const data: Record<string, readonly Row[]> = {};
  for (const parameter of workload.parameters) {
    if (parameter.source.kind !== "sql") continue;
    const { query, limit } = parameter.source;
    const where = `parameter ${parameter.name} of workload ${workload.name}`;
    const rows = await rowsOf(url, query, limit, where);
    if (rows.length === 0) {
      throw new PerfoptError(
        "bad-input",
        `${where}: its query found no rows`,
        "check the query against the target's data",
      );
    }
    data[parameter.name] = rows;
  }
  return data;
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
