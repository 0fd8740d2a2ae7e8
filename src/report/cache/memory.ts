/** What the recommended size takes of a machine: the container around it, and how an entry's size is known. */
import type { CacheAdvice, FootprintFacts } from "../../core/cache-advice.ts";
import { sentence } from "../markdown-text.ts";
import { list, type Block } from "../outputs/document.ts";
import { formatMemory, formatShare, formatSize } from "./words.ts";

export function memoryBlocks({ memory, recommended }: CacheAdvice): readonly (Block | undefined)[] {
  const { containerBytes, words, footprint } = memory;
  return [
    list([
      ...(containerBytes === undefined
        ? []
        : [
            `Container${recommended === undefined ? "" : ` for a maxmemory of ${formatMemory(recommended.maxmemoryBytes)}`}: at least ${formatSize(containerBytes)}, estimated. A limit of the container that is no larger than maxmemory ends in a kill before Redis evicts anything.`,
          ]),
      ...words.map(sentence),
      footprintInWords(footprint),
    ]),
  ];
}

function footprintInWords(footprint: FootprintFacts): string {
  const { from, serverVersion, overheadBytesMean, residual } = footprint;
  const mean = `${formatSize(overheadBytesMean)} an entry beside its key and value, mean`;
  const version = serverVersion === undefined ? "" : ` ${serverVersion}`;
  if (from === "formula")
    return `Bytes of an entry: by the formula for Redis${version}, not calibrated on a server (${mean}).`;
  const error = residual === undefined ? "" : `; off by ${formatShare(residual)} at the most`;
  return `Bytes of an entry: calibrated on Redis${version} (${mean}${error}).`;
}
