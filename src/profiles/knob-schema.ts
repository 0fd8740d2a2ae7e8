/** The schema of a target's knobs: what each counts, its bounds, its default, and how it is set. */
import { z } from "zod";
import {
  domainError,
  type Knob,
  type KnobDomain,
  knobRoles,
  type KnobSetter,
  type KnobValue,
} from "../core/knob.ts";
import * as field from "./fields.ts";
import { kindOfRole } from "./settings.ts";

/** A map from id to knob becomes the list of knobs, in the file's order. */
export function knobs() {
  return z
    .record(field.name(), knob())
    .transform(field.checked(uniqueRoles))
    .transform((byId): readonly Knob[] =>
      Object.entries(byId).map(([id, each]) => ({ id, ...each })),
    );
}

function knob() {
  return z
    .strictObject({
      title: field.text().describe("The name for people."),
      role: z
        .enum(knobRoles)
        .exactOptional()
        .describe(
          "What the setting means to tuners. A knob without a role is shown, never turned.",
        ),
      type: z
        .enum(["int", "number", "duration", "bytes", "enum", "bool"])
        .describe(
          "What the value is; min, max and default are written accordingly: 15, 10s, 32MB.",
        ),
      min: field.amount().exactOptional().describe("The least value that may be tried."),
      max: field.amount().exactOptional().describe("The greatest value that may be tried."),
      values: z.array(field.text()).min(1).exactOptional().describe("The values of an enum."),
      default: field.scalar().describe("The value that the service has when nothing is set."),
      scope: z
        .enum(["live", "reload", "restart"])
        .exactOptional()
        .describe("What a change needs; by default restart for env, live for redis."),
      ...setters(),
    })
    .transform((input, context): Omit<Knob, "id"> => {
      const issue: Report = (key, message) => {
        context.addIssue({ code: "custom", path: key === "" ? [] : [key], message });
      };
      const domain = domainOf(input, issue);
      const set = setterOf(input, issue);
      if (domain === undefined || set === undefined) return z.NEVER;
      if (input.role !== undefined && kindOfRole(input.role) !== domain.kind) {
        issue("type", `expected ${kindOfRole(input.role)} for the role ${input.role}`);
      }
      return {
        title: input.title,
        ...(input.role !== undefined && { role: input.role }),
        domain,
        default: defaultOf(domain, input.default, issue),
        scope: input.scope ?? (set.kind === "redis" ? "live" : "restart"),
        set,
      };
    });
}

/** One of the first, and what its number counts. */
function setters() {
  return {
    env: z
      .string()
      .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, {
        error: "expected the name of an environment variable",
      })
      .exactOptional()
      .describe("The service's environment variable that sets it."),
    unit: z
      .enum(["ms", "s", "bytes", "mb"])
      .exactOptional()
      .describe(
        "What the variable's number counts; by default ms for durations and bytes for bytes.",
      ),
    redis: field
      .text()
      .exactOptional()
      .describe("The Redis parameter that sets it, by CONFIG SET."),
    nodeOption: z
      .string()
      .regex(/^--[a-z0-9-]+$/, { error: "expected a flag of Node such as --max-semi-space-size" })
      .exactOptional()
      .describe(
        "The flag of Node that sets it, added to the service's NODE_OPTIONS; 0 leaves it out.",
      ),
    postgres: z
      .string()
      .regex(/^[a-z_][a-z0-9_.]*$/, { error: "expected the name of a PostgreSQL setting" })
      .exactOptional()
      .describe(
        "The PostgreSQL setting, set for the service's role in its database (ALTER ROLE ... IN DATABASE ... SET).",
      ),
  };
}

interface KnobInput {
  readonly type: KnobDomain["kind"];
  readonly min?: string | number;
  readonly max?: string | number;
  readonly values?: readonly string[];
  readonly env?: string;
  readonly unit?: "ms" | "s" | "bytes" | "mb";
  readonly redis?: string;
  readonly nodeOption?: string;
  readonly postgres?: string;
}

type Report = (key: string, message: string) => void;

const UNITS = { int: "count", number: "count", duration: "ms", bytes: "bytes" } as const;

function domainOf(input: KnobInput, issue: Report): KnobDomain | undefined {
  const { type, values } = input;
  if (type === "enum" || type === "bool") {
    for (const key of ["min", "max"] as const) {
      if (input[key] !== undefined) issue(key, `expected no ${key} for the type ${type}`);
    }
  }
  if (type !== "enum" && values !== undefined) {
    issue("values", `expected no values for the type ${type}`);
  }
  if (type === "bool") return { kind: type };
  if (type === "enum") {
    if (values !== undefined) return { kind: type, values };
    issue("", "expected values for the type enum, found none");
    return undefined;
  }
  const min = boundOf(type, input.min, "min", issue);
  const max = boundOf(type, input.max, "max", issue);
  if (min === undefined || max === undefined) return undefined;
  if (min > max) issue("max", "expected a max of at least the min");
  return { kind: type, min, max };
}

function boundOf(
  type: keyof typeof UNITS,
  written: string | number | undefined,
  key: "min" | "max",
  issue: Report,
): number | undefined {
  if (written === undefined) {
    issue("", `expected ${key} for the type ${type}, found none`);
    return undefined;
  }
  const value = field.parseQuantity(UNITS[type], written);
  const wrong = value === undefined || (type === "int" && !Number.isInteger(value));
  if (wrong)
    issue(key, type === "int" ? "expected a whole number" : field.expectedQuantity(UNITS[type]));
  return wrong ? undefined : value;
}

function defaultOf(domain: KnobDomain, written: KnobValue, issue: Report): KnobValue {
  const value = readValue(domain, written);
  if (value === undefined) {
    const kind = domain.kind === "duration" ? "ms" : "bytes";
    issue("default", field.expectedQuantity(kind));
    return written;
  }
  const outside = domainError(domain, value);
  if (outside !== undefined) issue("default", defaultExpectation(domain, outside));
  return value;
}

function readValue(domain: KnobDomain, written: KnobValue): KnobValue | undefined {
  if (domain.kind !== "duration" && domain.kind !== "bytes") return written;
  if (typeof written === "boolean") return undefined;
  return field.parseQuantity(UNITS[domain.kind], written);
}

function defaultExpectation(domain: KnobDomain, outside: string): string {
  if (domain.kind === "int") return `expected a whole number from ${domain.min} to ${domain.max}`;
  if (domain.kind === "enum") return outside;
  return domain.kind === "bool"
    ? "expected true or false"
    : "expected a default between min and max";
}

function setterOf(input: KnobInput, issue: Report): KnobSetter | undefined {
  const { env, redis, nodeOption, postgres, unit } = input;
  const named = Object.entries({ env, redis, nodeOption, postgres })
    .filter(([, value]) => value !== undefined)
    .map(([key]) => key);
  if (named.length !== 1) {
    const found = named.length === 0 ? "none of them" : named.join(" and ");
    issue("", `expected one of env, redis, nodeOption and postgres, found ${found}`);
    return undefined;
  }
  checkUnit(input, issue);
  if (redis !== undefined) return { kind: "redis", parameter: redis };
  if (postgres !== undefined) return { kind: "postgres", parameter: postgres };
  if (nodeOption !== undefined) {
    const counted = unit === "mb" || unit === "bytes" ? { unit } : {};
    return { kind: "node-option", flag: nodeOption, ...counted };
  }
  return { kind: "env", variable: env ?? "", ...(unit !== undefined && { unit }) };
}

/** Redis and PostgreSQL read their own units. */
function checkUnit({ env, nodeOption, unit, type }: KnobInput, issue: Report): void {
  const fits: readonly string[] = unitsOf(type, env !== undefined, nodeOption !== undefined);
  if (unit === undefined || fits.includes(unit)) return;
  const expected = fits.length === 0 ? "no unit" : `one of ${fits.join(", ")}`;
  const whose =
    env === undefined && nodeOption === undefined ? "a store's parameter" : `the type ${type}`;
  issue("unit", `expected ${expected} for ${whose}`);
}

function unitsOf(
  type: KnobDomain["kind"],
  isVariable: boolean,
  isFlag: boolean,
): readonly string[] {
  if (type === "bytes" && (isVariable || isFlag)) return ["bytes", "mb"];
  return type === "duration" && isVariable ? ["ms", "s"] : [];
}

function uniqueRoles(
  byId: Readonly<Record<string, { readonly role?: string }>>,
  context: z.RefinementCtx,
): void {
  const first = new Map<string, string>();
  for (const [id, { role }] of Object.entries(byId)) {
    if (role === undefined) continue;
    const other = first.get(role);
    if (other === undefined) first.set(role, id);
    else {
      const message = `expected a role that no other knob has, found "${role}", which is ${other}'s`;
      context.addIssue({ code: "custom", path: [id, "role"], message });
    }
  }
}
