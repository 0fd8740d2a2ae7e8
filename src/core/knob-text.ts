/** A knob's value as its setter writes it, and the statements that make PostgreSQL's settings: one way for arms, target and reports. */
import { quoteName, quoteText } from "./index-definition.ts";
import type { Knob, KnobDomain, KnobValue } from "./knob.ts";

const KB = 1024;
const MB = 1024 ** 2;

/** Durations in ms and sizes in bytes unless the setter counts in another unit. */
export function writeValue(knob: Pick<Knob, "domain" | "set">, value: KnobValue): string {
  if (knob.set.kind === "postgres") return postgresText(knob.domain, value);
  if (typeof value !== "number") return String(value);
  const unit =
    knob.set.kind === "env" || knob.set.kind === "node-option" ? knob.set.unit : undefined;
  if (unit === "s" && knob.domain.kind === "duration") return String(value / 1000);
  if (unit === "mb" && knob.domain.kind === "bytes") {
    // Node reads no fractions, and 0 would leave the choice to it.
    if (knob.set.kind === "node-option") return String(Math.max(1, Math.round(value / MB)));
    return String(value / MB);
  }
  return String(value);
}

/** A flag of Node's with its value; undefined for 0 and false, which leave it out. */
export function nodeFlag(
  flag: string,
  knob: Pick<Knob, "domain" | "set">,
  value: KnobValue,
): string | undefined {
  if (value === 0 || value === false) return undefined;
  return value === true ? flag : `${flag}=${writeValue(knob, value)}`;
}

/** With its unit: without one PostgreSQL would count in the setting's own, such as pages of 8 kB. */
function postgresText(domain: KnobDomain, value: KnobValue): string {
  if (typeof value === "boolean") return value ? "on" : "off";
  if (typeof value === "string" || value < 0) return String(value);
  if (domain.kind === "bytes") {
    if (value > 0 && value % MB === 0) return `${value / MB}MB`;
    return value % KB === 0 ? `${value / KB}kB` : `${value}B`;
  }
  if (domain.kind === "duration")
    return Number.isInteger(value) ? `${value}ms` : `${Math.round(value * 1000)}us`;
  return String(value);
}

/** Whose setting it is: sessions of this role in this database begin with it. */
export interface SettingPlace {
  readonly role: string;
  readonly database: string;
  readonly parameter: string;
}

/** One statement without a semicolon; an undefined text takes the entry away. */
export function alterRoleSql(place: SettingPlace, text: string | undefined): string {
  const name = place.parameter.split(".").map(quoteName).join(".");
  const what = text === undefined ? `RESET ${name}` : `SET ${name} TO ${quoteText(text)}`;
  return `ALTER ROLE ${quoteName(place.role)} IN DATABASE ${quoteName(place.database)} ${what}`;
}
