/** Stack distances of an LRU cache in bytes: one pass, for any number of sizes, over a stream of unknown length. */
import { grown } from "./grown.ts";

export interface StackDistances {
  /** Bytes of the distinct others since the entry's last access, its own not among them; -1 when there is none. It has these bytes from now on. */
  access(id: number, bytes: number): number;
  /** As if it had never been; the bytes are those that it had. */
  remove(id: number): void;
}

/** Places that share a node of the tree, as a power of two: they are one line of the processor's cache, so adding them up is cheaper than more nodes. */
const BLOCK_BITS = 3;
const BLOCK = 1 << BLOCK_BITS;

interface Axis {
  /** By id; places begin with 0, and are kept as one more: 0 is of an id that is not there. */
  placeOf: Int32Array;
  /** By place: whose it was; it is still there if `placeOf` says so. */
  id: Int32Array;
  /** By place: the entry's bytes, 0 when it has moved on. */
  bytes: Float64Array;
  /**
   * By block, from 1: the sum of as many blocks, back from this one, as the number's lowest bit says (a Fenwick tree).
   * It has the blocks that are full: so what is appended changes no node.
   */
  tree: Float64Array;
  /** Places taken. */
  end: number;
  total: number;
}

/** `places` are those on the axis of accesses to begin with; it grows to twice the entries that are there. Ids are dense from 0. */
export function createStackDistances(places = 4096): StackDistances {
  const axis: Axis = { placeOf: new Int32Array(places), ...axisOf(places), end: 0, total: 0 };
  return {
    access(id, bytes) {
      // Before the place is read: renumbering changes it.
      if (axis.end >= axis.id.length) renumber(axis);
      const place = (axis.placeOf[id] ?? 0) - 1;
      const distance = place < 0 ? -1 : axis.total - sumUpTo(axis, place);
      if (place >= 0) takeOut(axis, place);
      append(axis, id, bytes);
      return distance;
    },
    remove(id) {
      const place = (axis.placeOf[id] ?? 0) - 1;
      if (place < 0) return;
      takeOut(axis, place);
      axis.placeOf[id] = 0;
    },
  };
}

function axisOf(places: number): Pick<Axis, "id" | "bytes" | "tree"> {
  return {
    id: new Int32Array(places),
    bytes: new Float64Array(places),
    tree: new Float64Array((places >> BLOCK_BITS) + 1),
  };
}

function sumUpTo({ tree, bytes }: Axis, place: number): number {
  const block = place >> BLOCK_BITS;
  let sum = 0;
  for (let at = block << BLOCK_BITS; at <= place; at += 1) sum += bytes[at] ?? 0;
  for (let node = block; node > 0; node &= node - 1) sum += tree[node] ?? 0;
  return sum;
}

function takeOut(axis: Axis, place: number): void {
  const { tree } = axis;
  const bytes = axis.bytes[place] ?? 0;
  const full = axis.end >> BLOCK_BITS;
  for (let node = (place >> BLOCK_BITS) + 1; node <= full; node += node & -node) {
    tree[node] = (tree[node] ?? 0) - bytes;
  }
  axis.bytes[place] = 0;
  axis.total -= bytes;
}

function append(axis: Axis, id: number, bytes: number): void {
  const place = axis.end;
  axis.id[place] = id;
  axis.bytes[place] = bytes;
  axis.end += 1;
  if (id >= axis.placeOf.length) axis.placeOf = grown(axis.placeOf, id);
  axis.placeOf[id] = axis.end;
  axis.total += bytes;
  if (axis.end % BLOCK === 0) setNode(axis, axis.end >> BLOCK_BITS);
}

/** The node of a block that is full, from its places and the nodes below it: one or two of them on average. */
function setNode({ tree, bytes }: Axis, node: number): void {
  const end = node << BLOCK_BITS;
  const stop = node & (node - 1);
  let sum = 0;
  for (let at = end - BLOCK; at < end; at += 1) sum += bytes[at] ?? 0;
  for (let below = node - 1; below > stop; below &= below - 1) sum += tree[below] ?? 0;
  tree[node] = sum;
}

/** Forgets the places that are empty, and makes room for as many accesses as there are entries. */
function renumber(axis: Axis): void {
  const { placeOf, id, bytes, end } = axis;
  let kept = 0;
  for (let place = 0; place < end; place += 1) {
    const owner = id[place] ?? 0;
    if (placeOf[owner] !== place + 1) continue;
    id[kept] = owner;
    bytes[kept] = bytes[place] ?? 0;
    kept += 1;
    placeOf[owner] = kept;
  }
  axis.end = kept;
  if (kept * 2 > id.length) {
    Object.assign(axis, axisOf(kept * 2));
    axis.id.set(id.subarray(0, kept));
    axis.bytes.set(bytes.subarray(0, kept));
  }
  for (let node = 1; node <= kept >> BLOCK_BITS; node += 1) setNode(axis, node);
}
