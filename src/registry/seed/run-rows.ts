// Rows of the tracking tables: experiments, runs, params, tags and metrics with their histories.

import type { Row } from "./model-rows.ts";
import { at, randomFor } from "./randomness.ts";
import type { Random } from "./randomness.ts";
import type { Run, World } from "./world.ts";

const METRIC_KEYS = [
  "accuracy",
  "auc",
  "f1",
  "precision",
  "recall",
  "train_loss",
  "val_loss",
  "rmse",
  "latency_ms",
  "epoch_seconds",
] as const;
// The metrics that are logged step by step where a run keeps histories.
const STEPPED_KEYS: ReadonlySet<string> = new Set(["train_loss", "val_loss", "accuracy"]);
const HISTORY_SHARE = 0.3;

export function* experimentRows(world: World): Generator<Row> {
  for (const { id, name, createdMs } of world.experiments) {
    yield [id, name, `mlflow-artifacts:/${id}`, "active", createdMs, createdMs];
  }
}

export function* experimentTagRows(world: World): Generator<Row> {
  for (const { id, team, domain } of world.experiments) {
    yield [id, "team", team];
    yield [id, "domain", domain.name];
  }
}

export function* runRows(seed: number, world: World): Generator<Row> {
  const random = randomFor(seed, "run rows");
  for (const run of world.runs) {
    const name = `${run.framework}-${random.pick(["calm", "bold", "quick", "sly", "grand", "merry"])}-${random.whole(1, 999)}`;
    const stage = random.chance(0.97) ? "active" : "deleted";
    const artifacts = `mlflow-artifacts:/${run.experiment.id}/${run.id}/artifacts`;
    yield [
      run.id,
      run.experiment.id,
      name,
      run.user,
      run.status,
      run.startMs,
      run.status === "RUNNING" ? null : run.endMs,
      artifacts,
      stage,
    ];
  }
}

export function* paramRows(seed: number, world: World): Generator<Row> {
  const random = randomFor(seed, "params");
  for (const { id, framework } of world.runs) {
    yield [id, "framework", framework];
    yield [id, "learning_rate", random.pick(["0.3", "0.1", "0.03", "0.01", "0.003", "0.001"])];
    yield [id, "batch_size", String(2 ** random.whole(4, 10))];
    yield [id, "epochs", String(random.whole(1, 20) * 5)];
    yield [id, "seed", String(random.whole(0, 99_999))];
    yield [id, "max_depth", String(random.whole(3, 12))];
    yield [id, "dropout", (random.whole(0, 10) / 20).toFixed(2)];
    yield [id, "optimizer", random.pick(["adam", "adam", "adamw", "sgd"])];
    if (random.chance(0.7)) yield [id, "feature_set", `features-v${random.whole(1, 60)}`];
    if (random.chance(0.5)) yield [id, "l2", (10 ** -random.whole(1, 6)).toExponential()];
    if (random.chance(0.5)) yield [id, "early_stopping", random.pick(["true", "false"])];
    if (random.chance(0.3)) yield [id, "n_estimators", String(random.whole(1, 40) * 50)];
  }
}

export function* runTagRows(seed: number, world: World): Generator<Row> {
  const random = randomFor(seed, "run tags");
  for (const { id, user, experiment } of world.runs) {
    yield [id, "mlflow.user", user];
    yield [id, "mlflow.source.name", `train_${experiment.domain.name}.py`];
    yield [id, "mlflow.source.git.commit", random.hex(40)];
    yield [id, "team", experiment.team];
    yield [id, "dataset", `${experiment.domain.name}-snapshot-${random.whole(1, 400)}`];
    if (random.chance(0.25)) yield [id, "sweep", `sweep-${random.whole(1, 500)}`];
    if (random.chance(0.05)) yield [id, "candidate", "true"];
  }
}

export function* metricRows(seed: number, world: World): Generator<Row> {
  for (const run of world.runs) yield* pointsOf(seed, run, () => true);
}

export function* latestMetricRows(seed: number, world: World): Generator<Row> {
  for (const run of world.runs) yield* pointsOf(seed, run, (step, steps) => step === steps);
}

/** The points of one run's metrics; the same for every caller, so that the latest are indeed the last of all. */
function* pointsOf(
  seed: number,
  run: Run,
  wanted: (step: number, steps: number) => boolean,
): Generator<Row> {
  const random = randomFor(seed, "metrics", run.index);
  const keepsHistory = random.chance(HISTORY_SHARE);
  // A better run is better in all it measures.
  const quality = 0.75 + 0.08 * random.bell();
  for (const key of METRIC_KEYS) {
    const steps = keepsHistory && STEPPED_KEYS.has(key) ? historyLength(random) : 0;
    for (let step = 0; step <= steps; step += 1) {
      const progress = steps === 0 ? 1 : step / steps;
      const value = measure(random, key, quality, progress);
      const timeMs = Math.round(run.startMs + (run.endMs - run.startMs) * progress);
      // A few training losses diverge.
      const isNan = key === "train_loss" && quality < 0.55;
      if (wanted(step, steps)) yield [run.id, key, step, timeMs, isNan ? 0 : value, isNan];
    }
  }
}

/** Most histories are short, a few are long. */
function historyLength(random: Random): number {
  return at([20, 20, 40, 40, 60, 100, 150], random.whole(0, 6));
}

function measure(
  random: Random,
  key: (typeof METRIC_KEYS)[number],
  quality: number,
  progress: number,
): number {
  const noise = 0.02 * random.bell();
  if (key === "train_loss" || key === "val_loss") {
    return rounded(Math.max(0.001, 2.5 * Math.exp(-3 * progress) + (1 - quality) + noise));
  }
  if (key === "rmse") return rounded(Math.max(0.01, 10 * (1 - quality) + 5 * noise));
  if (key === "latency_ms") return rounded(5 + 40 * random.fraction() ** 3);
  if (key === "epoch_seconds") return rounded(10 + 300 * random.fraction() ** 2);
  return rounded(Math.min(0.9999, Math.max(0, quality * (0.4 + 0.6 * progress) + noise)));
}

function rounded(value: number): number {
  return Math.round(value * 1e6) / 1e6;
}
