/** The caches before the service: what its responses let a CDN and a browser keep. */
import { auditResponses } from "../advise/cache/http/audit.ts";
import type { HttpAudit } from "../core/cache-advice.ts";
import type { CacheSource } from "./cache-source.ts";

/** Undefined where no load was sent. */
export function auditHttp({ load, probes }: CacheSource): HttpAudit | undefined {
  if (!load?.responses || !load.trace) return undefined;
  return auditResponses(load.responses, load.trace, probes);
}
