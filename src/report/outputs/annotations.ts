/** Checks as GitHub's annotations: lines that its runner turns into marks on the run and the pull request. */
import { nameOf } from "../gate/words.ts";
import { checksOf, type AnyResult, type Check } from "./checks.ts";
import { clean, shortened } from "./document.ts";

/** GitHub shows no more of a kind for one step. */
const SHOWN_MOST = 10;
const MESSAGE_CHARACTERS_MOST = 1_000;

/** Errors for what failed, warnings for what could not be decided; a pass makes no noise. */
export function annotationLines(result: AnyResult): readonly string[] {
  const checks = checksOf(result);
  const name = nameOf(result);
  return [
    ...linesOf(
      "error",
      checks.filter(({ verdict }) => verdict === "fail"),
      name,
    ),
    ...linesOf(
      "warning",
      checks.filter(({ verdict }) => verdict === "inconclusive" || verdict === "invalid"),
      name,
    ),
  ];
}

function linesOf(
  kind: "error" | "warning",
  checks: readonly Check[],
  name: string,
): readonly string[] {
  if (checks.length <= SHOWN_MOST) return checks.map((check) => lineOf(kind, check, name));
  const shown = checks.slice(0, SHOWN_MOST - 1);
  const more = checks.length - shown.length;
  return [
    ...shown.map((check) => lineOf(kind, check, name)),
    command(
      kind,
      `perfopt: ${more} more`,
      `${more} more of ${name} are in the summary of this step`,
    ),
  ];
}

function lineOf(
  kind: "error" | "warning",
  { title, message, verdict }: Check,
  name: string,
): string {
  return command(kind, `perfopt ${verdict}: ${title} (${name})`, message);
}

function command(kind: "error" | "warning", title: string, message: string): string {
  const property = escaped(shortened(clean(title), 200))
    .replaceAll(":", "%3A")
    .replaceAll(",", "%2C");
  return `::${kind} title=${property}::${escaped(shortened(clean(message), MESSAGE_CHARACTERS_MOST))}`;
}

/** As GitHub's own toolkit escapes data. */
function escaped(text: string): string {
  return text.replaceAll("%", "%25").replaceAll("\r", "%0D").replaceAll("\n", "%0A");
}
