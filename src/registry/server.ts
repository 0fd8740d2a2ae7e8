// Builds the HTTP server: the API's endpoints, health, metrics, and errors in MLflow's form.

import fastify, { LogController } from "fastify";
import type {
  FastifyBaseLogger,
  FastifyError,
  FastifyInstance,
  FastifyReply,
  FastifyRequest,
} from "fastify";
import { analyticsEndpoints } from "./analytics/endpoints.ts";
import { whenGone } from "./artifacts/client-gone.ts";
import { artifactEndpoints } from "./artifacts/endpoints.ts";
import { addArtifactTransfer } from "./artifacts/transfer.ts";
import { addBulkImport } from "./bulk/endpoint.ts";
import { API_BASE } from "./endpoint.ts";
import type { Backend, Endpoint } from "./endpoint.ts";
import { RegistryError, TooBusyError, toRegistryError } from "./errors.ts";
import { experimentEndpoints } from "./experiments.ts";
import { describeFreshness, forbidKeeping } from "./http-cache.ts";
import type { HttpCaching } from "./http-cache.ts";
import { limitRequests } from "./in-flight.ts";
import { jobEndpoints } from "./jobs/endpoints.ts";
import { logBatchEndpoints } from "./log-batch.ts";
import { metricHistoryEndpoints } from "./metric-history.ts";
import type { RegistryMetrics } from "./metrics.ts";
import { aliasEndpoints } from "./model-aliases.ts";
import { modelEndpoints } from "./models.ts";
import { addReports } from "./reports/endpoint.ts";
import { runEndpoints } from "./runs.ts";
import { isOutcomeUnknown, scopesNamed } from "./unknown-outcome.ts";
import { versionEndpoints } from "./versions.ts";

const BODY_BYTES_MAX = 1024 * 1024;
const JSON_TYPE = "application/json; charset=utf-8";

export function buildServer(
  backend: Backend,
  settings: HttpCaching & { readonly requestLimit: number },
  metrics: RegistryMetrics,
  logger: FastifyBaseLogger,
): FastifyInstance {
  const server = fastify({
    loggerInstance: logger,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: BODY_BYTES_MAX,
    exposeHeadRoutes: false,
    // Query strings hold every value as text and single values of lists bare; both are told by the schema.
    ajv: { customOptions: { coerceTypes: "array", useDefaults: false, removeAdditional: false } },
  });
  const caching: HttpCaching = settings;
  let closing = false;
  server.addHook("preClose", async () => {
    closing = true;
  });
  server.addHook("onResponse", async (request, reply) => {
    const route = request.routeOptions.url ?? "unmatched";
    metrics.request(request.method, route, reply.statusCode, reply.elapsedTime / 1000);
    request.log.debug(
      { method: request.method, url: request.url, status: reply.statusCode },
      "answered",
    );
    // A connection kept alive after its last answer would hold the shutdown up.
    if (closing) setImmediate(() => server.server.closeIdleConnections());
  });
  server.setErrorHandler<FastifyError>((error, request, reply) => {
    forbidKeeping(caching, reply);
    return sendError(error, request, reply);
  });
  server.setNotFoundHandler((request, reply) => {
    const path = request.url.split("?", 1)[0] ?? "";
    forbidKeeping(caching, reply);
    return send(
      reply,
      new RegistryError("ENDPOINT_NOT_FOUND", `No endpoint ${request.method} ${path}.`),
    );
  });
  limitRequests(server, settings.requestLimit, metrics);
  for (const endpoint of apiEndpoints(backend)) addEndpoint(server, endpoint, backend, caching);
  addArtifactTransfer(server, backend);
  if (backend.bulk !== undefined) addBulkImport(server, backend, backend.bulk);
  if (backend.reports !== undefined) addReports(server, backend.reports);
  addHealth(server, backend);
  server.get("/metrics", async (_request, reply) => {
    reply.type(metrics.registry.contentType);
    return metrics.registry.metrics();
  });
  return server;
}

function apiEndpoints(backend: Backend): Endpoint[] {
  return [
    ...modelEndpoints(backend),
    ...aliasEndpoints(backend),
    ...versionEndpoints(backend),
    ...artifactEndpoints(backend),
    ...experimentEndpoints(backend),
    ...runEndpoints(backend),
    ...logBatchEndpoints(backend),
    ...metricHistoryEndpoints(backend),
    ...analyticsEndpoints(backend),
    ...jobEndpoints(backend),
  ];
}

function addEndpoint(
  server: FastifyInstance,
  endpoint: Endpoint,
  backend: Backend,
  caching: HttpCaching,
): void {
  const inQuery = endpoint.method === "GET";
  server.route({
    method: endpoint.method,
    url: `${API_BASE}/${endpoint.path}`,
    schema: inQuery ? { querystring: endpoint.inputSchema } : { body: endpoint.inputSchema },
    // Some clients and proxies send DELETE without a body; its parameters are then in the query string.
    preValidation: async (request) => {
      if (endpoint.method === "DELETE" && request.body === undefined) request.body = request.query;
    },
    handler: async (request, reply) => {
      const input = inQuery ? request.query : request.body;
      const gone = (): AbortSignal => whenGone(reply.raw);
      const answer = await endpoint.answer(input, gone).catch(async (error: unknown) => {
        if (endpoint.writes && isOutcomeUnknown(error))
          await backend.cache.invalidate(scopesNamed(input));
        throw error;
      });
      if (inQuery && describeFreshness(caching, endpoint.keepable, request, reply, answer))
        return reply.code(304).send();
      reply.type(JSON_TYPE);
      return answer.body;
    },
  });
}

function addHealth(server: FastifyInstance, backend: Backend): void {
  server.get("/healthz", async () => ({ status: "ok" }));
  server.get("/readyz", async (_request, reply) => {
    const [postgresql, redis] = await Promise.all([
      backend.database.query("SELECT 1").then(
        () => true,
        () => false,
      ),
      backend.cache.redisAnswers(),
    ]);
    // Redis only makes answers faster, so the service is ready without it.
    reply.code(postgresql ? 200 : 503);
    return { status: postgresql ? "ready" : "not ready", postgresql, redis };
  });
}

function sendError(
  error: FastifyError,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  const answer = fromFastify(error, request.routeOptions.bodyLimit) ?? toRegistryError(error);
  // A refusal under overload is no fault, and writing each down would be work when there is too much of it.
  if (answer.status >= 500 && !(answer instanceof TooBusyError)) {
    request.log.error({ err: error, method: request.method, url: request.url }, answer.message);
  }
  return send(reply, answer);
}

function send(reply: FastifyReply, error: RegistryError): FastifyReply {
  if (error instanceof TooBusyError) reply.header("retry-after", error.retryAfterSeconds);
  return reply
    .code(error.status)
    .type(JSON_TYPE)
    .send(JSON.stringify({ error_code: error.code, message: error.message }));
}

/** Fastify's own refusals: they carry the reason, but not MLflow's codes. */
function fromFastify(error: FastifyError, bodyLimit = BODY_BYTES_MAX): RegistryError | undefined {
  const [problem] = error.validation ?? [];
  if (problem !== undefined) {
    const missing = problem.params["missingProperty"];
    const field =
      typeof missing === "string" ? missing : problem.instancePath.slice(1).replaceAll("/", ".");
    const reason =
      typeof missing === "string" ? "it is required" : (problem.message ?? "it is not valid");
    return new RegistryError(
      "INVALID_PARAMETER_VALUE",
      `Invalid value for parameter '${field || "body"}': ${reason}.`,
    );
  }
  if (error.code === "FST_ERR_CTP_BODY_TOO_LARGE") {
    return new RegistryError(
      "INVALID_PARAMETER_VALUE",
      `The request body is larger than ${bodyLimit} bytes.`,
    );
  }
  if (error.statusCode !== undefined && error.statusCode >= 400 && error.statusCode < 500) {
    return new RegistryError("BAD_REQUEST", error.message);
  }
  return undefined;
}
