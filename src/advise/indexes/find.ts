/** What else is wrong with the indexes and statements that were studied, with drops simulated and fresh sizes estimated. */
import type { Finding } from "../../core/advice.ts";
import type { Studied } from "./studied.ts";
import { droppable } from "./findings/droppable.ts";
import { findingsOf } from "./findings/findings.ts";
import { freshSizes } from "./findings/fresh-sizes.ts";
import { statementsForFindings } from "./findings/read.ts";
import { remedyOf } from "./findings/remedies.ts";

export interface LookedAround {
  readonly findings: readonly Finding[];
  /** By statement: what would help where no index does. */
  readonly remedies: ReadonlyMap<string, string>;
}

export async function lookAround(studied: Studied): Promise<LookedAround> {
  const { input, catalog, read, found, weighed } = studied;
  const plans = new Map(
    found.statements.flatMap(({ id, before }) => (before ? [[id, before] as const] : [])),
  );
  const statements = await statementsForFindings(read.statements, plans);
  const { whatIf } = input.engine;
  const findings = findingsOf({
    catalog,
    at: input.snapshot.takenAt,
    statements,
    planned: found.selected.map(({ index }) => index),
    expectedBytes: await freshSizes(whatIf, catalog),
  });
  const remedies = new Map<string, string>();
  for (const each of statements) {
    const remedy = remedyOf(each, { catalog, statements });
    if (remedy !== undefined) remedies.set(each.statement.id, remedy);
  }
  return {
    remedies,
    findings: await droppable(
      whatIf,
      weighed.statements.map(({ statement }) => statement),
      findings,
      { with: found.selected.map(({ index }) => index.name) },
    ),
  };
}
