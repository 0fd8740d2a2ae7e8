/** Texts as the chunks of a file. */

/** In pieces of so many bytes, which cut lines and characters anywhere; the memory of each is overwritten after it was used. */
export async function* chunksOf(text: string, bytes = 7): AsyncGenerator<Uint8Array> {
  const all = new TextEncoder().encode(text);
  const piece = new Uint8Array(bytes);
  for (let at = 0; at < all.length; at += bytes) {
    const part = all.subarray(at, at + bytes);
    piece.set(part);
    yield piece.subarray(0, part.length);
    piece.fill(0x78);
  }
}
