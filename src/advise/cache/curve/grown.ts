/** Columns by id that grow as new ids come. */

/** A copy with room for twice the id. */
export function grown(values: Int32Array, id: number): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(2 * (id + 1));
  larger.set(values);
  return larger;
}
