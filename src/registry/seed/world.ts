// The made-up company whose registry is seeded: teams, their domains and frameworks, experiments, runs and models.

import { at, randomFor, zipfShares } from "./randomness.ts";
import type { Random } from "./randomness.ts";
import type { Scale } from "./scales.ts";

export type Experiment = {
  id: number;
  name: string;
  team: string;
  domain: Domain;
  createdMs: number;
};
export type Run = {
  id: string;
  index: number;
  experiment: Experiment;
  framework: string;
  user: string;
  startMs: number;
  endMs: number;
  status: string;
};
export type Model = {
  name: string;
  team: string;
  domain: Domain;
  framework: string;
  experiment: Experiment;
  createdMs: number;
  versions: number;
};
export type World = {
  experiments: readonly Experiment[];
  runs: readonly Run[];
  runsByExperiment: ReadonlyMap<number, readonly Run[]>;
  models: readonly Model[];
  artifacts: number;
};

type Domain = (typeof DOMAINS)[number];

export const DAY_MS = 86_400_000;
// Fixed, so that the same seed makes the same rows in any year.
const BEGIN_MS = Date.UTC(2024, 0, 1);
const SPAN_MS = 700 * DAY_MS;

// Frameworks in order of use: a domain's first one takes most of its runs.
const DOMAINS = [
  {
    name: "vision",
    frameworks: ["pytorch", "tensorflow", "onnx"],
    nouns: ["classifier", "detector", "segmenter", "ocr"],
  },
  {
    name: "nlp",
    frameworks: ["transformers", "pytorch", "spacy"],
    nouns: ["intent", "summarizer", "embedder", "ner"],
  },
  {
    name: "fraud",
    frameworks: ["xgboost", "lightgbm", "sklearn"],
    nouns: ["scorer", "ring-detector", "chargeback"],
  },
  {
    name: "ranking",
    frameworks: ["lightgbm", "tensorflow", "xgboost"],
    nouns: ["search-ranker", "feed-ranker", "recall"],
  },
  {
    name: "forecast",
    frameworks: ["prophet", "sklearn", "pytorch"],
    nouns: ["demand", "capacity", "price"],
  },
  {
    name: "churn",
    frameworks: ["sklearn", "xgboost", "lightgbm"],
    nouns: ["propensity", "uplift", "ltv"],
  },
] as const;

const USERS_PER_TEAM = 8;
const TEAMS = 24;

export function createWorld(seed: number, scale: Scale): World {
  const experiments = createExperiments(seed, scale);
  const runs = createRuns(seed, scale, experiments);
  const runsByExperiment = new Map<number, Run[]>(experiments.map(({ id }) => [id, []]));
  for (const run of runs) runsByExperiment.get(run.experiment.id)?.push(run);
  const models = createModels(seed, scale, experiments);
  return { experiments, runs, runsByExperiment, models, artifacts: scale.artifacts };
}

/** The team's own domain four times in five: the correlation that single-column statistics miss. */
function domainOf(random: Random, team: number): Domain {
  return random.chance(0.8) ? at(DOMAINS, team % DOMAINS.length) : random.pick(DOMAINS);
}

function frameworkOf(random: Random, domain: Domain): string {
  const draw = random.fraction();
  return at<string>(domain.frameworks, draw < 0.75 ? 0 : draw < 0.95 ? 1 : 2);
}

const teamName = (team: number): string => `team-${String(team + 1).padStart(2, "0")}`;

function createExperiments(seed: number, scale: Scale): Experiment[] {
  const random = randomFor(seed, "experiments");
  return Array.from({ length: scale.experiments }, (_, index) => {
    const team = random.whole(0, TEAMS - 1);
    const domain = domainOf(random, team);
    return {
      id: index + 1,
      name: `/${teamName(team)}/${domain.name}-${random.pick(domain.nouns)}-${index + 1}`,
      team: teamName(team),
      domain,
      createdMs: BEGIN_MS + Math.floor(random.fraction() * SPAN_MS * 0.6),
    };
  });
}

function createRuns(seed: number, scale: Scale, experiments: readonly Experiment[]): Run[] {
  const random = randomFor(seed, "runs");
  const runs = zipfShares(scale.runs, experiments.length, 1.1, 1).flatMap((count, experiment) =>
    Array.from({ length: count }, () => createRun(random, at(experiments, experiment))),
  );
  // Tables fill up in the order of time, whichever experiment a run belongs to.
  runs.sort((a, b) => a.startMs - b.startMs || (a.id < b.id ? -1 : 1));
  for (const [index, run] of runs.entries()) run.index = index;
  return runs;
}

function createRun(random: Random, experiment: Experiment): Run {
  const startMs =
    experiment.createdMs +
    Math.floor(random.fraction() * (BEGIN_MS + SPAN_MS - experiment.createdMs));
  const draw = random.fraction();
  return {
    id: random.hex(32),
    index: 0,
    experiment,
    framework: frameworkOf(random, experiment.domain),
    user: `${experiment.team}-user-${random.whole(1, USERS_PER_TEAM)}`,
    startMs,
    endMs: startMs + random.whole(20_000, 6 * 3_600_000),
    status: draw < 0.86 ? "FINISHED" : draw < 0.95 ? "FAILED" : draw < 0.98 ? "KILLED" : "RUNNING",
  };
}

function createModels(seed: number, scale: Scale, experiments: readonly Experiment[]): Model[] {
  const random = randomFor(seed, "models");
  const versions = zipfShares(scale.versions, scale.models, 1, 1);
  const models = versions.map((count, index): Model => {
    const experiment = at(experiments, Math.floor(experiments.length * random.fraction() ** 2));
    const { team, domain } = experiment;
    return {
      name: `${domain.name}-${random.pick(domain.nouns)}-${String(index + 1).padStart(5, "0")}`,
      team,
      domain,
      framework: frameworkOf(random, domain),
      experiment,
      createdMs: experiment.createdMs + random.whole(0, 30) * DAY_MS,
      versions: count,
    };
  });
  // Hot models are not the ones registered first.
  return models.toSorted((a, b) => a.createdMs - b.createdMs || (a.name < b.name ? -1 : 1));
}
