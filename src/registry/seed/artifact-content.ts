// What the seeded artifacts hold: models as text, weights, or pickles, as their frameworks write them.

import { randomFor } from "./randomness.ts";
import type { Random } from "./randomness.ts";
import type { Model } from "./world.ts";

const BYTES_MIN = 8 * 1024;
const BYTES_MAX = 512 * 1024;
// From one version to the next a few lines of a text differ, and some come or go.
const CHANGED_SHARE = 0.02;
const MOVED_SHARE = 0.003;

const PATHS: Readonly<Record<string, string>> = {
  sklearn: "model.pkl",
  pytorch: "model.safetensors",
  transformers: "model.safetensors",
  tensorflow: "model.safetensors",
  onnx: "model.safetensors",
};

export function artifactPath({ framework }: Model): string {
  return PATHS[framework] ?? "model.txt";
}

/** Of about the same size for all versions of a model, over all models log-uniform from 8 kB to 512 kB. */
export function artifactContent(seed: number, model: Model, version: number): Buffer {
  const size = randomFor(seed, `artifact size ${model.name}`).fraction();
  const bytes = Math.round(BYTES_MIN * (BYTES_MAX / BYTES_MIN) ** size);
  const random = randomFor(seed, `artifact ${model.name}`, version);
  const path = artifactPath(model);
  if (path.endsWith(".txt")) return treesAsText(seed, model, random, bytes);
  return path.endsWith(".pkl") ? pickled(random, bytes) : weights(random, bytes);
}

/** Trees as LightGBM and XGBoost dump them: the model's own lines, with this version's changes. */
function treesAsText(seed: number, model: Model, changes: Random, bytes: number): Buffer {
  const base = randomFor(seed, `artifact ${model.name}`);
  const lines = [`tree\nnum_class=1\nobjective=${model.domain.name}\nversion=v4\n`];
  for (let node = 0, length = 0; length < bytes; node += 1) {
    const own = treeLine(base, node);
    length += own.length;
    const draw = changes.fraction();
    if (draw < CHANGED_SHARE) lines.push(treeLine(changes, node));
    else if (draw < CHANGED_SHARE + MOVED_SHARE) lines.push(own, treeLine(changes, node));
    else if (draw >= CHANGED_SHARE + 2 * MOVED_SHARE) lines.push(own);
  }
  return Buffer.from(lines.join(""), "latin1");
}

function treeLine(random: Random, node: number): string {
  const threshold = (random.fraction() * 100).toFixed(5);
  const gain = (random.fraction() ** 3 * 1_000).toFixed(3);
  return `\t${node}:[f${random.whole(0, 60)}<${threshold}] yes=${2 * node + 1},no=${2 * node + 2},missing=${2 * node + 1},gain=${gain},cover=${random.whole(1, 5_000)}\n`;
}

/** The layout of safetensors: the length of a header in JSON, the header, then 32-bit floats. */
function weights(random: Random, bytes: number): Buffer {
  const floats = Math.ceil(bytes / 4);
  const header = Buffer.from(
    JSON.stringify({
      __metadata__: { format: "pt" },
      weight: { dtype: "F32", shape: [floats], data_offsets: [0, floats * 4] },
    }),
  );
  const length = Buffer.alloc(8);
  length.writeUInt32LE(header.length);
  return Buffer.concat([length, header, floatsOf(random, floats)]);
}

function floatsOf(random: Random, count: number): Buffer {
  const data = Buffer.alloc(count * 4);
  for (let index = 0; index < count; index += 1)
    data.writeFloatLE((random.fraction() + random.fraction() - 1) * 0.05, index * 4);
  return data;
}

/** A fitted estimator in pickle protocol 4, with the imports that scikit-learn's and NumPy's pickles have. */
function pickled(random: Random, bytes: number): Buffer {
  const floats = Math.ceil(bytes / 4);
  return Buffer.concat([
    opcodes("\x80\x04"),
    imported("sklearn.linear_model._logistic", "LogisticRegression"),
    opcodes(")\x81}("),
    named("coef_"),
    arrayOf(random, floats),
    named("n_features_in_"),
    opcodes("J"),
    whole(floats),
    opcodes("ub."),
  ]);
}

/** NumPy's way: an empty array, _reconstruct(ndarray, (0,), b"b"), and its state: version, shape, type, order and data. */
function arrayOf(random: Random, floats: number): Buffer {
  return Buffer.concat([
    imported("numpy.core.multiarray", "_reconstruct"),
    imported("numpy", "ndarray"),
    opcodes("K\x00\x85C\x01b\x87R(K\x01J"),
    whole(floats),
    opcodes("\x85"),
    imported("numpy", "dtype"),
    named("f4"),
    opcodes("\x89\x88\x87R(K\x03"),
    named("<"),
    opcodes("NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89B"),
    whole(floats * 4),
    floatsOf(random, floats),
    opcodes("tb"),
  ]);
}

/** 32 bits, the lowest first. */
function whole(number: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(number);
  return bytes;
}

function imported(module: string, name: string): Buffer {
  return Buffer.concat([named(module), named(name), opcodes("\x93")]);
}

function named(text: string): Buffer {
  return Buffer.concat([opcodes("\x8c"), Buffer.from([text.length]), Buffer.from(text)]);
}

function opcodes(text: string): Buffer {
  return Buffer.from(text, "latin1");
}
