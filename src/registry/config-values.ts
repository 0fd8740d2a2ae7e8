// Values of environment variables: read, held against their bounds, and what is wrong added to a list.

export type Environment = Readonly<Record<string, string | undefined>>;

export function readWhole(
  environment: Environment,
  name: string,
  fallback: number,
  min: number,
  max: number,
  problems: string[],
): number {
  const text = environment[name];
  if (text === undefined || text === "") return fallback;
  const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  problems.push(`${name} is ${JSON.stringify(text)}; give a whole number from ${min} to ${max}.`);
  return fallback;
}

export function readOneOf<const T extends string>(
  environment: Environment,
  name: string,
  fallback: T,
  allowed: readonly T[],
  problems: string[],
): T {
  const text = environment[name];
  if (text === undefined || text === "") return fallback;
  const value = allowed.find((candidate) => candidate === text);
  if (value !== undefined) return value;
  problems.push(`${name} is ${JSON.stringify(text)}; give one of ${allowed.join(", ")}.`);
  return fallback;
}

export function readUrl(
  environment: Environment,
  name: string,
  fallback: string | undefined,
  protocols: readonly string[],
  problems: string[],
): string {
  const text = environment[name] || fallback;
  if (text === undefined) {
    problems.push(
      `${name} is not set; give a URL such as ${protocols[0] ?? ""}//127.0.0.1:5432/registry.`,
    );
    return "";
  }
  // The value is not repeated in the message: it may hold a password.
  if (!URL.canParse(text) || !protocols.includes(new URL(text).protocol)) {
    problems.push(
      `${name} is not a URL that starts with ${protocols.map((p) => `${p}//`).join(" or ")}.`,
    );
  }
  return text;
}
