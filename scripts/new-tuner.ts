/** `npm run new:tuner NAME`: writes a tuner that works, its test, and its line in the list. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const NAME = /^[a-z][a-z0-9]*(?:-[a-z0-9]+)*$/;

/** Returns the files written, relative to `root`; throws, with nothing written, when that cannot be done. */
export function newTuner(root: string, name: string): readonly string[] {
  if (!NAME.test(name) || ["index", "tuner"].includes(name)) {
    throw new Error(
      `${JSON.stringify(name)} cannot name a tuner: use lower-case words with dashes, such as queue-limit`,
    );
  }
  const tuner = `src/tuners/${name}.ts`;
  const test = `test/tuners/${name}.test.ts`;
  const index = "src/tuners/index.ts";
  for (const file of [tuner, test]) {
    if (existsSync(join(root, file)))
      throw new Error(`${file} exists already: choose another name`);
  }
  const listed = withTuner(readFileSync(join(root, index), "utf8"), name);
  writeFileSync(join(root, tuner), tunerText(name));
  writeFileSync(join(root, test), testText(name));
  writeFileSync(join(root, index), listed);
  return [tuner, test, index];
}

/** The list with one more import, in order of names, and one more entry, at the end: phases follow the persona, not the list. */
function withTuner(text: string, name: string): string {
  const lines = text.split("\n");
  const line = `import { ${variable(name)} } from "./${name}.ts";`;
  const after = lines.findIndex(
    (each) => each.startsWith("import ") && each.slice(each.indexOf("./")) > `./${name}.ts`,
  );
  const list = /(export const tuners: readonly AnyTuner\[\] = \[)([^\]]*)\]/;
  if (after < 0 || !list.test(text))
    throw new Error("src/tuners/index.ts does not look like the list of tuners");
  lines.splice(after, 0, line);
  return lines.join("\n").replace(list, (_, head: string, entries: string) => {
    const names = [
      ...entries
        .split(",")
        .map((each) => each.trim())
        .filter((each) => each !== ""),
      variable(name),
    ];
    const short = `${head}${names.join(", ")}]`;
    // As the formatter would write it.
    return short.length < 100
      ? short
      : `${head}\n${names.map((each) => `  ${each},`).join("\n")}\n]`;
  });
}

function tunerText(name: string): string {
  return `/** ${title(name)}: tries the strategy's value for one knob of the target, and has pairs decide it. */
import type { KnobReading, Ask, Step, TargetView } from "../core/observation.ts";
import { done, erase, numberSetting, propose, setKnob, wasTried } from "./tuner.ts";

export interface ${type(name)}Observation {
  readonly reading: KnobReading | undefined;
}

const KNOB = "${name}";

export const ${variable(name)} = erase<${type(name)}Observation>({
  id: "${name}",
  title: "${title(name)}",
  rationale:
    "Helps where the strategy's value for the knob suits the target better than the present one. It cannot help a target without the knob.",
  roles: [],
  observe: (view) => Promise.resolve(observe(view)),
  next,
});

function observe(view: TargetView): ${type(name)}Observation {
  const knob = view.knobs.find((each) => each.id === KNOB);
  return { reading: knob && { knob, value: view.values[knob.id] ?? knob.default } };
}

function next({ observation, history, strategy }: Ask<${type(name)}Observation>): Step {
  const { reading } = observation;
  if (!reading) return done(\`the target has no knob \${KNOB}\`);
  const value = numberSetting(strategy, KNOB);
  if (value === undefined) return done(\`the strategy has no setting \${KNOB} to try\`);
  const change = setKnob(reading, value);
  if (!change) return done(\`\${KNOB} is at \${String(reading.value)} already\`);
  if (wasTried(history, [change])) return done(\`\${KNOB} = \${String(change.to)} was tried\`);
  return propose(KNOB, history, {
    hypothesis: \`\${KNOB} at \${String(change.to)} instead of \${String(change.from)} makes the objective better\`,
    changes: [change],
    evidence: [\`the strategy's setting: \${value}\`],
  });
}
`;
}

function testText(name: string): string {
  return `/** ${title(name)}: proposes the strategy's value once, and says why it is done. */
import { expect, test } from "vitest";
import type { Knob } from "../../src/core/knob.ts";
import { ${variable(name)} } from "../../src/tuners/${name}.ts";
import { askOf, candidateOf, decided, reasonOf, strategyOf, valuesOf, viewOf } from "./views.ts";

const knob: Knob = {
  id: "${name}",
  title: "${title(name)}",
  domain: { kind: "int", min: 1, max: 10 },
  default: 2,
  scope: "restart",
  set: { kind: "env", variable: "${name.toUpperCase().replaceAll("-", "_")}" },
};
const strategy = strategyOf("api.latencyP95Ms", { "${name}": 5 });

test("tries the strategy's value, once", async () => {
  const observation = await ${variable(name)}.observe(viewOf({ knobs: [knob] }));
  const step = ${variable(name)}.next(askOf(observation, { strategy }));
  expect(valuesOf(step)).toEqual({ "${name}": 5 });
  const history = [decided(candidateOf(step), "discard")];
  expect(reasonOf(${variable(name)}.next(askOf(observation, { strategy, history })))).toMatch(/was tried/);
});

test("is done, with the reason, without the knob or a value", async () => {
  const without = await ${variable(name)}.observe(viewOf({ knobs: [] }));
  expect(reasonOf(${variable(name)}.next(askOf(without, { strategy })))).toMatch(/has no knob ${name}/);
  const observation = await ${variable(name)}.observe(viewOf({ knobs: [knob] }));
  expect(reasonOf(${variable(name)}.next(askOf(observation)))).toMatch(/no setting ${name} to try/);
});
`;
}

function variable(name: string): string {
  return name.replaceAll(/-(.)/g, (_, letter: string) => letter.toUpperCase());
}

function type(name: string): string {
  const camel = variable(name);
  return camel.charAt(0).toUpperCase() + camel.slice(1);
}

function title(name: string): string {
  const words = name.replaceAll("-", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

if (process.argv[1] !== undefined && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  try {
    const root = resolve(import.meta.dirname, "..");
    console.log(`wrote ${newTuner(root, process.argv[2] ?? "").join(", ")}`);
    console.log("name it as the tuner of a strategy in a persona, then: npm run check");
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error));
    process.exitCode = 2;
  }
}
