/** The requests of a workload, one after another: the same seed gives the same requests, whatever answers them. */
import { PerfoptError } from "../core/errors.ts";
import type { ParameterData, RequestTemplate, WorkloadDefinition } from "../core/workload.ts";
import { drawables, streamOf, weightedIndex } from "./draw.ts";
import { compileTemplate } from "./template.ts";
import type { CompiledRequest, Filling, SessionValues } from "./template.ts";

export interface GeneratedRequest {
  /** Position of its template in the workload's requests. */
  readonly endpoint: number;
  readonly method: RequestTemplate["method"];
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
}

/** An endless, seeded sequence of requests; every call draws the next. Throws bad-input for a workload that cannot be filled. */
export function requestSequence(
  workload: WorkloadDefinition,
  data: ParameterData,
  seed: number,
): () => GeneratedRequest {
  const stream = streamOf(seed);
  const parameters = drawables(workload.parameters, data, stream);
  const fills = workload.requests.map((template, endpoint) =>
    filler(template, endpoint, compileTemplate(template, parameters)),
  );
  const choose = weightedIndex(weightsOf(workload.name, workload.requests), stream.uniform);
  return () => {
    const fill = fills[choose()];
    if (!fill) throw new Error("the mix chose a request that does not exist");
    return fill();
  };
}

/** 53 bits of method, path and body: equal requests have equal keys, in every run and on every machine. */
export function hashKey(request: Pick<GeneratedRequest, "method" | "path" | "body">): number {
  const text = `${request.method} ${request.path}\n${request.body ?? ""}`;
  let high = 0x9e3779b9;
  let low = 0x85ebca6b;
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charCodeAt(index);
    high = Math.imul(high ^ unit, 0x9e3779b1);
    low = Math.imul(low ^ unit, 0x01000193);
    high ^= low >>> 15;
  }
  return (mixed(high ^ Math.imul(low, 5)) & 0x1fffff) * 2 ** 32 + (mixed(low) >>> 0);
}

/** True when the status counts as success for this request. */
export function isExpected(template: Pick<RequestTemplate, "expect">, status: number): boolean {
  if (template.expect.length > 0) return template.expect.includes(status);
  return status >= 200 && status <= 299;
}

/** Writes a compiled template's next request; `values` are those of the session that it belongs to. */
export function filler(
  template: RequestTemplate,
  endpoint: number,
  compiled: CompiledRequest,
): (values?: SessionValues) => GeneratedRequest {
  const { method } = template;
  const fixed = withContentType(template.headers, template);
  const { headers, path, body } = compiled;
  const headersOf = headers
    ? (filling: Filling) =>
        withContentType(
          Object.fromEntries(headers.map(([name, write]) => [name, write(filling)])),
          template,
        )
    : () => fixed;
  return (values) => {
    const filling = compiled.draw(values);
    return {
      endpoint,
      method,
      path: path(filling),
      headers: headersOf(filling),
      body: body?.(filling),
    };
  };
}

function withContentType(
  headers: Readonly<Record<string, string>>,
  template: RequestTemplate,
): Readonly<Record<string, string>> {
  const named = Object.keys(headers).some((name) => name.toLowerCase() === "content-type");
  return template.body === undefined || named
    ? headers
    : { ...headers, "content-type": "application/json" };
}

/** Of requests, or of sessions. Throws bad-input where they make no mix. */
export function weightsOf(
  workload: string,
  mix: readonly { readonly name: string; readonly weight: number }[],
): number[] {
  const weights = mix.map(({ weight }) => weight);
  const bad = mix.find(({ weight }) => !Number.isFinite(weight) || weight < 0);
  if (bad) throw badMix(workload, `"${bad.name}" has the weight ${bad.weight}`);
  if (!weights.some((weight) => weight > 0)) throw badMix(workload, "nothing has a weight above 0");
  return weights;
}

function badMix(workload: string, problem: string): PerfoptError {
  return new PerfoptError(
    "bad-input",
    `workload "${workload}": ${problem}`,
    "give at least one request or session a weight above 0, and none a negative one",
  );
}

/** Spreads every input bit over all 32, so that texts that differ at one end only do not share keys. */
export function mixed(value: number): number {
  let bits = value;
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return bits ^ (bits >>> 16);
}
