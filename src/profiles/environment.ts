/** Fills `${env:NAME}` and `${env:NAME:-default}` in a YAML document from the caller's environment. */
import { type Document, isPair, isScalar, type Scalar, visit } from "yaml";
import type { Position, Problem } from "./problems.ts";
import { suggestion } from "./suggest.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

const REFERENCE = /\$\{env:([^}]*)\}/g;
const NAME_AND_DEFAULT = /^([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?$/s;

/**
 * Changes the document's scalars; returns what could not be filled. Like a shell's `:-`, an empty variable counts as missing.
 * What lies below one of the `unused` paths stays as it is written.
 */
export function fillEnvironment(
  document: Document,
  { env, unused = [] }: { readonly env: Environment; readonly unused?: readonly string[] },
  positionAt: (offset: number) => Position,
): Problem[] {
  const problems: Problem[] = [];
  visit(document, {
    Scalar: (key, scalar, ancestors) => {
      if (key === "key" || typeof scalar.value !== "string") return;
      if (!scalar.value.includes("${env:")) return;
      const path = ancestors.map((each) => (isPair(each) ? `${keyText(each.key)}.` : "")).join("");
      if (unused.some((each) => path.startsWith(`${each}.`))) return;
      const report = (message: string): void => {
        problems.push({ ...positionAt(scalar.range?.[0] ?? 0), path: "", message });
      };
      scalar.value = typed(scalar, fill(scalar.value, env, report));
    },
  });
  return problems;
}

function keyText(key: unknown): string {
  return isScalar(key) ? String(key.value) : "";
}

function fill(text: string, env: Environment, report: (message: string) => void): string {
  return text.replace(REFERENCE, (_, inside: string) => {
    const match = NAME_AND_DEFAULT.exec(inside);
    const name = match?.[1];
    if (name === undefined) {
      report("expected ${env:NAME} or ${env:NAME:-default}, found another form of ${env:...}");
      return "";
    }
    const value = env[name] || match?.[2];
    if (value === undefined) {
      report(
        `expected the environment variable ${name}, which has no default here, found it unset or empty${suggestion(name, Object.keys(env))}`,
      );
    }
    return value ?? "";
  });
}

/** An unquoted value becomes the number or boolean it would be without the variable, where its text stays the same. */
function typed(scalar: Scalar, text: string): string | number | boolean {
  if (scalar.type !== "PLAIN") return text;
  if (text === "true" || text === "false") return text === "true";
  const number = Number(text);
  return text !== "" && Number.isFinite(number) && String(number) === text ? number : text;
}
