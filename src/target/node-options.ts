/** NODE_OPTIONS of a service: what its target file or perfopt's own environment gives, with the flags of knobs in place of its own. */
import type { Knob, KnobValue } from "../core/knob.ts";
import { nodeFlag } from "../core/knob-text.ts";
import type { TargetFile } from "../core/target-file.ts";
import type { Environment } from "./home.ts";
import { readValue, type KnobValues } from "./knob-values.ts";

export const NODE_OPTIONS = "NODE_OPTIONS";

/**
 * The text for NODE_OPTIONS; undefined when nothing is left of it. A knob's flag that `base` has is replaced, since Node takes
 * the last of two and V8 does not forget the first of some; 0 and false leave a flag out.
 */
export function nodeOptions(
  base: string | undefined,
  knobs: readonly Knob[],
  values: KnobValues,
): string | undefined {
  const own = flagKnobs(knobs);
  if (own.length === 0) return base;
  const kept = optionsIn(base).filter((each) => !own.some(({ flag }) => flag === each.flag));
  const added = own.flatMap(
    ({ knob, flag }) => nodeFlag(flag, knob, values[knob.id] ?? knob.default) ?? [],
  );
  const all = [...kept.map((each) => each.text), ...added];
  return all.length === 0 ? undefined : all.join(" ");
}

/** What NODE_OPTIONS says before any knob: the target file's, which hides the inherited one as every other variable's does. */
export function givenNodeOptions(
  { service }: TargetFile,
  environment: Environment,
): string | undefined {
  return service.env[NODE_OPTIONS] ?? environment[NODE_OPTIONS];
}

/** The knobs' values that a text for NODE_OPTIONS holds; those of flags that it does not have are left out. */
export function nodeOptionValues(
  base: string | undefined,
  knobs: readonly Knob[],
): Record<string, KnobValue> {
  const options = optionsIn(base);
  const values: Record<string, KnobValue> = {};
  for (const { knob, flag } of flagKnobs(knobs)) {
    const given = options.findLast((each) => each.flag === flag);
    if (given) values[knob.id] = readValue(knob, given.value ?? "true");
  }
  return values;
}

function flagKnobs(knobs: readonly Knob[]): readonly { knob: Knob; flag: string }[] {
  return knobs.flatMap((knob) =>
    knob.set.kind === "node-option" ? [{ knob, flag: knob.set.flag }] : [],
  );
}

interface Option {
  /** With dashes where it was written with underscores: Node takes both. */
  readonly flag: string;
  readonly value: string | undefined;
  /** As it was written, with its value. */
  readonly text: string;
}

/** Blanks divide, but not inside double quotes, where a backslash takes the next character as it is. */
function optionsIn(text: string | undefined): readonly Option[] {
  const words = text?.match(/(?:[^ "]|"(?:[^"\\]|\\.)*"?)+/g) ?? [];
  const options: Option[] = [];
  for (const word of words) {
    const last = options.at(-1);
    // A value that is a word of its own belongs to the flag before it.
    if (!word.startsWith("-") && last) {
      options[options.length - 1] = { ...last, value: word, text: `${last.text} ${word}` };
      continue;
    }
    const [name = "", ...rest] = word.split("=");
    options.push({
      flag: name.replaceAll("_", "-"),
      value: rest.length === 0 ? undefined : rest.join("="),
      text: word,
    });
  }
  return options;
}
