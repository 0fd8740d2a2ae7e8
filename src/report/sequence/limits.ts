/** What the measurements of a sequence cannot say. */
import { plain } from "../markdown-text.ts";
import { changedLater } from "./net.ts";
import type { SequenceSummary } from "./summary.ts";

export function limitsOfSequence({ parts }: SequenceSummary): readonly string[] {
  const unchecked = parts.filter(
    (part) => part.summary && !part.check && changedLater(parts, part).length > 0,
  );
  return [
    "The order matters: a later persona tunes a service that earlier ones have changed, and may have found nothing left to gain, or gained by undoing.",
    "Each run is confirmed against its own beginning, so the effects of different runs neither add up nor compare: workloads and rates differ.",
    ...(unchecked.length > 0
      ? [
          `**Not measured together:** what ${unchecked.map(({ title }) => plain(title)).join(", ")} measured is from before later changes.`,
        ]
      : []),
    ...(parts.some(({ check }) => check)
      ? [
          "The final check judges nothing and undoes nothing: what it shows as worse stays until you roll it back.",
          "The final check looks at every objective of every persona at once; of 20 metrics without any change, about one looks changed.",
        ]
      : []),
    "What limits each run's own measurement is at the end of its report.",
  ];
}
