/** House rules that a machine can hold: who imports whom, and the few things that never belong in src. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { metrics, plannedMetrics } from "../src/core/metric.ts";

const src = resolve(import.meta.dirname, "../src");
const files = readdirSync(src, { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".ts"))
  .map((file) => file.replaceAll("\\", "/"));

/** Folder, or top-level file, to what it may import of src; itself is always allowed. `node` says whether node: modules are. */
const rules: Readonly<Record<string, { readonly src: readonly string[]; readonly node: boolean }>> =
  {
    core: { src: [], node: false },
    decide: { src: ["core"], node: false },
    report: { src: ["core"], node: false },
    advise: { src: ["core", "decide"], node: false },
    tuners: { src: ["core", "advise"], node: false },
    "plan.ts": { src: ["core", "decide", "limit", "tuners/tuner.ts"], node: false },
    "optimize.ts": {
      src: ["core", "decide", "optimize", "plan.ts", "tuners/tuner.ts"],
      node: false,
    },
    optimize: { src: ["core", "decide", "limit", "plan.ts", "tuners/tuner.ts"], node: false },
    gate: { src: ["core", "decide"], node: false },
    limit: { src: ["core", "decide"], node: false },
    doctor: { src: ["core"], node: false },
    profiles: { src: ["core"], node: true },
    target: { src: ["core"], node: true },
    load: { src: ["core"], node: true },
    journal: { src: ["core"], node: true },
    results: { src: ["core"], node: true },
    cli: {
      src: [
        "core",
        "decide",
        "report",
        "advise",
        "tuners",
        "plan.ts",
        "optimize.ts",
        "optimize",
        "gate",
        "limit",
        "doctor",
        "results",
        "profiles",
        "target",
        "load",
        "journal",
      ],
      node: true,
    },
    // What any service may use: it is published as perfopt/tracer.
    tracer: { src: [], node: true },
    registry: { src: ["tracer"], node: true },
  };

/** The import specifiers of a source text. */
function importsOf(text: string): string[] {
  return [
    ...text.matchAll(
      /(?:^|\n)\s*(?:import|export)\s[^;]*?from\s+"([^"]+)"|import\("([^"]+)"\)|(?:^|\n)import\s+"([^"]+)"/g,
    ),
  ].map((match) => match[1] ?? match[2] ?? match[3] ?? "");
}

/** Why one file may not import one specifier; undefined when it may. */
function violation(file: string, specifier: string): string | undefined {
  const part = file.split("/")[0] ?? file;
  const rule = rules[part];
  if (!rule) return `${file}: no rule says what ${part} may import`;
  if (specifier.startsWith("node:"))
    return rule.node ? undefined : `${file}: ${part} may not import ${specifier}`;
  if (!specifier.startsWith(".")) return undefined;
  const imported = relative(src, resolve(src, dirname(file), specifier)).replaceAll("\\", "/");
  const importedPart = imported.split("/")[0] ?? imported;
  if (importedPart === part) return siblingViolation(file, imported);
  const allowed = rule.src.some((each) => imported === each || imported.startsWith(`${each}/`));
  return allowed ? undefined : `${file}: ${part} may not import ${imported}`;
}

/** Tuners never import each other: what two need lies in advise or tuner.ts. */
function siblingViolation(file: string, imported: string): string | undefined {
  const alone =
    file.startsWith("tuners/") && file !== "tuners/index.ts" && imported !== "tuners/tuner.ts";
  return alone ? `${file}: a tuner may not import the tuner ${imported}` : undefined;
}

describe("imports", () => {
  test("every file of src keeps to the table", () => {
    const found = files.flatMap((file) =>
      importsOf(readFileSync(join(src, file), "utf8")).flatMap(
        (specifier) => violation(file, specifier) ?? [],
      ),
    );
    expect(found).toEqual([]);
    expect(files.length).toBeGreaterThan(40);
  });

  test.each([
    ["core/knob.ts", "node:fs"],
    ["core/knob.ts", "../decide/judge.ts"],
    ["decide/judge.ts", "../target/arms.ts"],
    ["tuners/micro-cache.ts", "./redis-memory.ts"],
    ["target/arms.ts", "../load/engine.ts"],
    ["registry/main.ts", "../core/errors.ts"],
    ["optimize.ts", "./tuners/index.ts"],
    ["report/report.ts", "../cli/main.ts"],
  ])("%s importing %s is caught", (file, specifier) => {
    expect(violation(file, specifier)).toBeDefined();
  });
});

describe("what never belongs in src", () => {
  const outsideRegistry = files.filter((file) => !file.startsWith("registry/"));

  test.each([
    ["unseeded randomness", /Math\.random\(/],
    ["unfinished work", /\b(?:TODO|FIXME|XXX)\b|not implemented/i],
    ["a sleep", /\bsleep\(/],
  ])("%s", (_, pattern) => {
    expect(files.filter((file) => pattern.test(readFileSync(join(src, file), "utf8")))).toEqual([]);
  });

  test("the bundled service is unknown outside its folder and its target file", () => {
    const knows = outsideRegistry.filter((file) =>
      /registered.models|model_versions|mlflow/i.test(readFileSync(join(src, file), "utf8")),
    );
    expect(knows).toEqual([]);
  });

  test("only the command line prints or sets the exit code", () => {
    const prints = outsideRegistry.filter(
      (file) =>
        !file.startsWith("cli/") &&
        /console\.|process\.(?:stdout|stderr|exit|exitCode)\b/.test(
          readFileSync(join(src, file), "utf8"),
        ),
    );
    expect(prints).toEqual([]);
  });

  test("files stay within one idea", () => {
    const long = files.filter(
      (file) => readFileSync(join(src, file), "utf8").split("\n").length > 400,
    );
    expect(long).toEqual([]);
  });
});

test("every tuner is in the list and has a test", () => {
  const tuners = files
    .filter((file) => /^tuners\/(?!index|tuner)[^/]+\.ts$/.test(file))
    .map((file) => file.slice(7, -3));
  const list = readFileSync(join(src, "tuners/index.ts"), "utf8");
  const tests = readdirSync(resolve(import.meta.dirname, "tuners"));
  expect(tuners.length).toBeGreaterThan(0);
  expect(
    tuners.filter(
      (tuner) => !list.includes(`./${tuner}.ts`) || !tests.includes(`${tuner}.test.ts`),
    ),
  ).toEqual([]);
});

test("every verdict and event type is in the glossary", () => {
  const glossary = readFileSync(resolve(import.meta.dirname, "../docs/glossary.md"), "utf8");
  const words = [
    ...readFileSync(join(src, "core/event.ts"), "utf8").matchAll(/type: "([a-z-]+)"/g),
  ].map((match) => match[1] ?? "");
  expect(words.length).toBeGreaterThan(10);
  expect(
    [...words, "keep", "discard", "inconclusive"].filter((word) => !glossary.includes(word)),
  ).toEqual([]);
});

test("every metric is documented", () => {
  const page = readFileSync(resolve(import.meta.dirname, "../docs/metrics.md"), "utf8");
  const ids = [...metrics, ...plannedMetrics].map((metric) => metric.id);
  expect(ids.filter((id) => !page.includes(`\`${id}\``))).toEqual([]);
});
