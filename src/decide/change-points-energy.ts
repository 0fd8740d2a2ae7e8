/** The energy statistic of E-divisive means for every split of a series, in O(n log n) because the values are numbers on a line. */

/**
 * Q of every split: `q[t]` compares the first t values with the rest by their mean distances across and within
 * (Matteson and James, JASA 109(505), 2014, with exponent 1). Splits that leave fewer than `segmentMin` values on a side are 0.
 */
export function splitStatistics(values: Float64Array, segmentMin: number): Float64Array {
  const count = values.length;
  const ranking = rank(values);
  const { ranks, distances, total } = ranking;
  const q = new Float64Array(count);
  const seen = fenwick(ranking.distinct);
  // Sums of distances over pairs: both values left of the split, or one on each side.
  let left = 0;
  let across = 0;
  for (let split = 1; split < count; split += 1) {
    const value = values[split - 1] ?? 0;
    const position = ranks[split - 1] ?? 0;
    const toLeft = addAndMeasure(seen, position, value);
    left += toLeft;
    across += (distances[position] ?? 0) - 2 * toLeft;
    const rest = count - split;
    if (split < segmentMin || rest < segmentMin) continue;
    const right = total - left - across;
    const energy =
      (2 * across) / (split * rest) - meanDistance(left, split) - meanDistance(right, rest);
    q[split] = ((split * rest) / count) * energy;
  }
  return q;
}

/** Of all pairs in a side, without a value's distance from itself. */
function meanDistance(sum: number, size: number): number {
  return size < 2 ? 0 : (2 * sum) / (size * (size - 1));
}

interface Ranking {
  /** By position in the series. */
  readonly ranks: Int32Array;
  readonly distinct: number;
  /** By rank: the sum of a value's distances to all values of the series. */
  readonly distances: Float64Array;
  /** Over all pairs. */
  readonly total: number;
}

function rank(values: Float64Array): Ranking {
  const count = values.length;
  const sorted = values.toSorted();
  const sum = sorted.reduce((all, value) => all + value, 0);
  const distances = new Float64Array(count);
  let distinct = 0;
  let before = 0;
  let twice = 0;
  for (let index = 0; index < count; index += 1) {
    const value = sorted[index] ?? 0;
    const toAll = value * (2 * index - count) + sum - 2 * before;
    twice += toAll;
    before += value;
    if (index > 0 && value === sorted[distinct - 1]) continue;
    sorted[distinct] = value;
    distances[distinct] = toAll;
    distinct += 1;
  }
  const ranks = new Int32Array(count);
  for (let index = 0; index < count; index += 1)
    ranks[index] = find(sorted, distinct, values[index] ?? 0);
  return { ranks, distinct, distances, total: twice / 2 };
}

function find(sorted: Float64Array, length: number, value: number): number {
  let low = 0;
  let high = length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] ?? 0) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Counts and sums of the values seen so far, by rank (Fenwick, Software: Practice and Experience 24(3), 1994). */
interface Fenwick {
  /** Count and sum in turn. */
  readonly nodes: Float64Array;
  seen: number;
  sum: number;
}

function fenwick(ranks: number): Fenwick {
  return { nodes: new Float64Array(2 * (ranks + 1)), seen: 0, sum: 0 };
}

/** The sum of a value's distances to those seen before, which it then joins. */
function addAndMeasure(tree: Fenwick, position: number, value: number): number {
  const { nodes } = tree;
  let fewer = 0;
  let smaller = 0;
  for (let node = position + 1; node > 0; node -= node & -node) {
    fewer += nodes[2 * node] ?? 0;
    smaller += nodes[2 * node + 1] ?? 0;
  }
  const distance = value * (2 * fewer - tree.seen) + tree.sum - 2 * smaller;
  for (let node = position + 1; 2 * node < nodes.length; node += node & -node) {
    nodes[2 * node] = (nodes[2 * node] ?? 0) + 1;
    nodes[2 * node + 1] = (nodes[2 * node + 1] ?? 0) + value;
  }
  tree.seen += 1;
  tree.sum += value;
  return distance;
}
