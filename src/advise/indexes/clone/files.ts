/** Files of relations as large as the source's, without their content: sparse, but for the pages that the planner reads. */
import type { RelationFiles } from "../../../core/planner.ts";
import { brinMetapage, btreePages, ginMetapage, type GinCounts } from "./pages.ts";

/** An index as its files show it. */
export type IndexShape =
  | { readonly method: "btree"; readonly pages: number; readonly height: number }
  | { readonly method: "gin"; readonly pages: number; readonly counts: GinCounts }
  | {
      readonly method: "brin";
      readonly pages: number;
      readonly pagesPerRange: number;
      readonly revmapPages: number;
    }
  | { readonly method: "other"; readonly pages: number };

/** The first pages of these methods' new files are in the server's memory already: another file has to take their place. */
export function needsFreshFile(shape: IndexShape): boolean {
  return shape.method === "gin" || shape.method === "brin";
}

/** Nothing may have planned with the index before: the server would keep what it read. */
export async function writeIndexFile(
  files: RelationFiles,
  path: string,
  shape: IndexShape,
): Promise<void> {
  const head = headOf(shape);
  if (head !== undefined) await files.write(path, 0, head);
  await files.setBlocks(path, Math.max(shape.pages, pagesLeast(shape)));
}

/** A tree of some height has at least a page on each level. */
export function pagesLeast(shape: IndexShape): number {
  return shape.method === "btree" ? shape.height + 2 : 1;
}

function headOf(shape: IndexShape): Uint8Array | undefined {
  switch (shape.method) {
    case "btree":
      return btreePages(shape.height);
    case "gin":
      return ginMetapage(shape.counts);
    case "brin":
      return brinMetapage(shape.pagesPerRange, shape.revmapPages);
    case "other":
      return undefined;
  }
}
