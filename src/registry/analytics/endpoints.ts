// Endpoints under analytics that answer aggregates: each is one SQL statement over many rows, its answer worth a row of L3.

import type { Backend, Endpoint } from "../endpoint.ts";
import { bestRunsEndpoint } from "./best-runs.ts";
import { metricPercentilesEndpoint } from "./metric-percentiles.ts";
import { stageFunnelEndpoint } from "./stage-funnel.ts";
import { versionDriftEndpoint } from "./version-drift.ts";

export function analyticsEndpoints(backend: Backend): Endpoint[] {
  return [
    bestRunsEndpoint(backend),
    metricPercentilesEndpoint(backend),
    stageFunnelEndpoint(backend),
    versionDriftEndpoint(backend),
  ];
}
