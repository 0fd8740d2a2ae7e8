// Rows of the registry's tables: models, versions, their tags and aliases.

import { at, randomFor } from "./randomness.ts";
import type { Random } from "./randomness.ts";
import { DAY_MS } from "./world.ts";
import type { Model, World } from "./world.ts";

export type Value = string | number | boolean | Uint8Array | null;
export type Row = readonly Value[];

export function* modelRows(seed: number, world: World): Generator<Row> {
  const random = randomFor(seed, "model rows");
  for (const model of world.models) {
    const updatedMs = model.createdMs + model.versions * 3_600_000 + random.whole(0, 60 * DAY_MS);
    yield [
      model.name,
      model.createdMs,
      updatedMs,
      `${model.team}-user-1`,
      random.chance(0.7) ? `${model.domain.name} model of ${model.team}` : null,
    ];
  }
}

export function* modelTagRows(seed: number, world: World): Generator<Row> {
  const random = randomFor(seed, "model tags");
  for (const model of world.models) {
    yield [model.name, "team", model.team];
    yield [model.name, "domain", model.domain.name];
    yield [model.name, "framework", model.framework];
    if (random.chance(0.6))
      yield [
        model.name,
        "tier",
        random.pick(["gold", "silver", "silver", "bronze", "bronze", "bronze"]),
      ];
    if (random.chance(0.1)) yield [model.name, "pii", "true"];
  }
}

/** Champion is a recent version, challenger the newest. */
export function* aliasRows(seed: number, world: World): Generator<Row> {
  const random = randomFor(seed, "aliases");
  for (const model of world.models) {
    if (random.chance(0.85))
      yield [model.name, "champion", Math.max(1, model.versions - random.whole(0, 5))];
    if (random.chance(0.45)) yield [model.name, "challenger", model.versions];
    if (random.chance(0.1)) yield [model.name, "shadow", random.whole(1, model.versions)];
  }
}

export function* versionRows(seed: number, world: World): Generator<Row> {
  const random = randomFor(seed, "versions");
  for (const model of world.models) {
    const runs = world.runsByExperiment.get(model.experiment.id) ?? [];
    for (let version = 1; version <= model.versions; version += 1) {
      const run =
        random.chance(0.85) && runs.length > 0 ? at(runs, random.whole(0, runs.length - 1)) : null;
      const createdMs = model.createdMs + version * 3_600_000;
      const source = `s3://models/${model.team}/${model.experiment.id}/${run === null ? `import-${random.hex(8)}` : run.id}/artifacts/model`;
      const status = random.chance(0.98) ? "READY" : "FAILED_REGISTRATION";
      yield [
        model.name,
        version,
        createdMs,
        createdMs + random.whole(0, 20 * DAY_MS),
        `${model.team}-user-${random.whole(1, 8)}`,
        stageOf(random, model, version),
        random.chance(0.2) ? `trained on snapshot ${random.whole(1, 400)}` : null,
        source,
        run?.id ?? null,
        status,
        status === "READY" ? null : "artifact upload timed out",
      ];
    }
  }
}

/** Of old versions most are archived or were never moved; only the last few serve. */
function stageOf(random: Random, model: Model, version: number): string {
  const age = model.versions - version;
  if (age < 3 && random.chance(0.5)) return age === 0 ? "Staging" : "Production";
  return random.chance(0.35) ? "Archived" : "None";
}

export function* versionTagRows(seed: number, world: World): Generator<Row> {
  const random = randomFor(seed, "version tags");
  for (const model of world.models) {
    for (let version = 1; version <= model.versions; version += 1) {
      yield [
        model.name,
        version,
        "dataset",
        `${model.domain.name}-snapshot-${random.whole(1, 400)}`,
      ];
      yield [model.name, version, "git_sha", random.hex(12)];
      if (random.chance(0.7))
        yield [
          model.name,
          version,
          "validation_status",
          random.pick(["approved", "approved", "approved", "pending", "rejected"]),
        ];
      if (random.chance(0.3))
        yield [
          model.name,
          version,
          "framework_version",
          `${model.framework}-${random.whole(1, 3)}.${random.whole(0, 9)}`,
        ];
    }
  }
}
