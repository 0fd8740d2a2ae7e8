// Shapes of requests: a JSON Schema for the validator and the TypeScript type it guarantees, written once.

export type Shape<T> = {
  readonly schema: Readonly<Record<string, unknown>>;
  /** Never set; it carries the type. */
  readonly type?: T;
};

export type Shaped<S> = S extends Shape<infer T> ? T : never;

type Fields = Readonly<Record<string, Shape<unknown>>>;
type Required_<F extends Fields> = { readonly [K in keyof F]: Shaped<F[K]> };
type Optional_<F extends Fields> = { readonly [K in keyof F]?: Shaped<F[K]> | undefined };

export function text(maxLength: number, minLength = 1): Shape<string> {
  return { schema: { type: "string", minLength, maxLength } };
}

export function whole(minimum: number, maximum = Number.MAX_SAFE_INTEGER): Shape<number> {
  return { schema: { type: "integer", minimum, maximum } };
}

export function flag(): Shape<boolean> {
  return { schema: { type: "boolean" } };
}

export function oneOf<const T extends string>(values: readonly T[]): Shape<T> {
  return { schema: { type: "string", enum: values } };
}

/** A number, or the three that JSON cannot write, as MLflow's clients send them. */
export function measurement(): Shape<number | "NaN" | "Infinity" | "-Infinity"> {
  return { schema: { anyOf: [{ type: "number" }, { enum: ["NaN", "Infinity", "-Infinity"] }] } };
}

export function list<T>(item: Shape<T>, maxItems: number): Shape<readonly T[]> {
  return { schema: { type: "array", items: item.schema, maxItems } };
}

export function record<R extends Fields>(required: R): Shape<Required_<R>>;
export function record<R extends Fields, O extends Fields>(
  required: R,
  optional: O,
): Shape<Required_<R> & Optional_<O>>;
export function record(required: Fields, optional: Fields = {}): Shape<unknown> {
  const properties = Object.fromEntries(
    Object.entries({ ...required, ...optional }).map(([name, shape]) => [name, shape.schema]),
  );
  return { schema: { type: "object", properties, required: Object.keys(required) } };
}
